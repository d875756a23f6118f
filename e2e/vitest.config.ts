import { project } from '../tools/vitest-project.js'

// The tests here start the built services as processes, with room for a slow machine.
export default project('e2e', {
  include: ['**/*.test.ts'],
  // Those are on a Kubernetes: npm run test:cluster.
  exclude: ['cluster/**'],
  testTimeout: 300_000,
  hookTimeout: 300_000,
})
