import type { Service } from '../service/service.ts'

/** What the service can do without for a while, and is without now: `store`, `queue`, `first_contact`. */
export async function lostDependencies({
  node,
  settings,
}: Pick<Service, 'node' | 'settings'>): Promise<readonly string[]> {
  const lost: string[] = []
  try {
    await node.store.lastChange()
  } catch {
    lost.push('store')
  }
  if (node.queue.state === 'away') lost.push('queue')
  const { first_contact } = settings.network
  if (first_contact !== undefined) {
    const peer = node.graph.nodes().find((rid) => node.graph.profile(rid)?.base_url === first_contact)
    const failures = await node.store.outboxState().then(
      (targets) => targets.find(({ target }) => target === peer)?.failures ?? 0,
      () => 0,
    )
    if (peer === undefined || failures > 0) lost.push('first_contact')
  }
  return lost
}
