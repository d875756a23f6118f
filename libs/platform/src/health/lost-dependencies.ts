import { inTime } from '../service/in-time.ts'
import type { Service } from '../service/service.ts'

/** A store that says nothing for so long is lost; whoever asks for readiness mostly waits a second. */
const ANSWER_MS = 400

/** What the service can do without for a while, and is without now: `store`, `queue`, `first_contact`. */
export async function lostDependencies({
  node,
  settings,
}: Pick<Service, 'node' | 'settings'>): Promise<readonly string[]> {
  const lost: string[] = []
  if ((await inTime(node.store.lastChange(), ANSWER_MS)) === undefined) lost.push('store')
  if (node.queue.state === 'away') lost.push('queue')
  const { first_contact } = settings.network
  if (first_contact !== undefined) {
    const peer = node.graph.nodes().find((rid) => node.graph.profile(rid)?.base_url === first_contact)
    const targets = lost.includes('store') ? [] : ((await inTime(node.store.outboxState(), ANSWER_MS)) ?? [])
    const failures = targets.find(({ target }) => target === peer)?.failures ?? 0
    if (peer === undefined || failures > 0) lost.push('first_contact')
  }
  return lost
}
