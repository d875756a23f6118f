import { project } from '../tools/vitest-project.js'

// The tests here speak with the Python reference (KOI_NET_PYTHON, else .venv-koi-net).
export default project('interop', {
  include: ['**/*.test.ts'],
  testTimeout: 240_000,
  hookTimeout: 240_000,
})
