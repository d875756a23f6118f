import { project } from '../tools/vitest-project.js'

// The tests here speak with the Python reference (KOI_NET_PYTHON, else .venv-koi-net).
export default project('interop', {
  include: ['**/*.test.ts'],
  fileParallelism: false,
  // Real reference nodes lose an edge or an event in races of their own; what ours does wrong it does wrong again.
  retry: 1,
  testTimeout: 120_000,
  hookTimeout: 120_000,
})
