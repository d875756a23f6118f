import { project } from '../tools/vitest-project.js'

// The tests here start the built services as processes: one file at a time, with room for a slow machine.
export default project('e2e', {
  include: ['**/*.test.ts'],
  fileParallelism: false,
  testTimeout: 300_000,
  hookTimeout: 300_000,
})
