import { project } from '../../tools/vitest-project.js'

export default project('backends', {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  globalSetup: new URL('test/postgres-setup.ts', import.meta.url).pathname,
})
