import { project } from './vitest-project.js'

export default project('tools', { include: ['*.test.js'], testTimeout: 60_000, hookTimeout: 60_000 })
