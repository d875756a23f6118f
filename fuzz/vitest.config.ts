import { project } from '../tools/vitest-project.js'

// That the fuzzer would see what it looks for; `npm run fuzz` is what fuzzes.
export default project('fuzz', { include: ['**/*.test.ts'] })
