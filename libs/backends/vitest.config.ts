import { project } from '../../tools/vitest-project.js'

export default project('backends', {
  globalSetup: new URL('test/setup.ts', import.meta.url).pathname,
  // Its tests start processes that fill the machine by themselves; they are through before the others begin.
  maxWorkers: 1,
  sequence: { groupOrder: -1 },
})
