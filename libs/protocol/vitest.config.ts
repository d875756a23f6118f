import { project } from '../../tools/vitest-project.js'

export default project('protocol')
