import { project } from '../../tools/vitest-project.js'

// On a real Kubernetes: `npm run test:cluster`. One release serves all tests of a file, in their order.
export default project('cluster', {
  include: ['*.test.ts'],
  setupFiles: new URL('logs-of-failures.ts', import.meta.url).pathname,
  fileParallelism: false,
  testTimeout: 600_000,
  hookTimeout: 600_000,
  expect: { poll: { timeout: 120_000, interval: 1_000 } },
})
