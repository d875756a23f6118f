import { project } from '../../tools/vitest-project.js'

export default project('mcp', { testTimeout: 30_000 })
