import { project } from '../../tools/vitest-project.js'

export default project('backends', {
  globalSetup: new URL('test/setup.ts', import.meta.url).pathname,
})
