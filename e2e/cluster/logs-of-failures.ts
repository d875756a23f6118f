import { afterEach } from 'vitest'
import { kubectl, say } from './commands.ts'

/** Lines of each pod at most. */
const LINES = 40
const OF_RELEASES = 'app.kubernetes.io/name=koi-mcp'

// The pods are gone with their release: what they logged that is no routine is printed with the test that failed.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return
  const columns = 'custom-columns=:metadata.namespace,:metadata.name'
  const pods = await kubectl(['get', 'pods', '--all-namespaces', '--selector', OF_RELEASES, '--output', columns])
  for (const [, namespace = '', name = ''] of pods.matchAll(/^(\S+) +(\S+) *$/gm)) {
    const log = await kubectl(['logs', '--namespace', namespace, name, '--tail=5000']).catch(String)
    const told = log.split('\n').filter((line) => line !== '' && !/^{"level":"(debug|info)"/.test(line))
    say(`-- ${namespace} ${name}\n${told.slice(-LINES).join('\n')}`)
  }
})
