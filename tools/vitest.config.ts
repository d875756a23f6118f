import { project } from './vitest-project.js'

export default project('tools', { include: ['*.test.js'] })
