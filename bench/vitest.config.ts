import { project } from '../tools/vitest-project.js'

// The smoke run: that the benchmark works, not what it measures.
export default project('bench', {
  include: ['**/*.test.ts'],
  fileParallelism: false,
  testTimeout: 120_000,
  hookTimeout: 120_000,
})
