import { project } from '../../tools/vitest-project.js'

export default project('backends', {
  globalSetup: new URL('test/setup.ts', import.meta.url).pathname,
  // Behind the tests of all other projects, for its histories fill the machine with processes of their own.
  sequence: { groupOrder: 1 },
})
