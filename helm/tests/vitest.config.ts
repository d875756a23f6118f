import { project } from '../../tools/vitest-project.js'

export default project('chart', {
  include: ['**/*.test.ts'],
  globalSetup: new URL('setup.ts', import.meta.url).pathname,
  // A test waits for a Helm most of the time.
  sequence: { concurrent: true },
  maxConcurrency: 4,
  isolate: false,
})
