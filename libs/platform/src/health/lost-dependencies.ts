import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from '../service/service.ts'

/** A store that says nothing for so long is lost; whoever asks for readiness mostly waits a second. */
const ANSWER_MS = 400

/** What the service can do without for a while, and is without now: `store`, `queue`, `first_contact`. */
export async function lostDependencies({
  node,
  settings,
}: Pick<Service, 'node' | 'settings'>): Promise<readonly string[]> {
  const lost: string[] = []
  if ((await inTime(node.store.lastChange())) === undefined) lost.push('store')
  if (node.queue.state === 'away') lost.push('queue')
  const { first_contact } = settings.network
  if (first_contact !== undefined) {
    const peer = node.graph.nodes().find((rid) => node.graph.profile(rid)?.base_url === first_contact)
    const targets = lost.includes('store') ? [] : ((await inTime(node.store.outboxState())) ?? [])
    const failures = targets.find(({ target }) => target === peer)?.failures ?? 0
    if (peer === undefined || failures > 0) lost.push('first_contact')
  }
  return lost
}

/** The answer; `undefined` where there is none, or it takes too long. */
async function inTime<T>(answer: Promise<T>): Promise<T | undefined> {
  const late = new AbortController()
  const nothing = sleep(ANSWER_MS, undefined, { signal: late.signal }).catch(() => undefined)
  try {
    return await Promise.race([answer, nothing])
  } catch {
    return undefined
  } finally {
    late.abort()
  }
}
