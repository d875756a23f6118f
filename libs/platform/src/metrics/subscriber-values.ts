import type { Rid } from '@koi-mcp/protocol'
import type { OutboxTargetState } from '@koi-mcp/core'
import { OTHER } from './bounded-label.ts'
import { peerLabel } from './peer-label.ts'

/** Of one subscriber, or of all that have no series of their own. */
export interface SubscriberValues {
  readonly peer: string
  readonly queued: number
  /** Since when its oldest event waits, in seconds; 0 where nothing does. */
  readonly lag: number
}

/** Subscribers with series of their own. */
export const MAX_SUBSCRIBERS = 50

/** Those for whom most has waited longest first; the rest as one: their events summed, the longest lag of them. */
export function subscriberValues(
  subscribers: readonly Rid[],
  outbox: readonly OutboxTargetState[],
  now: number,
): readonly SubscriberValues[] {
  const waiting = [...outbox].sort((a, b) => a.oldestAt - b.oldestAt)
  const known = new Set(waiting.map(({ target }) => target))
  const all = [
    ...waiting.map(({ target, queued, oldestAt }) => ({
      peer: peerLabel(target),
      queued,
      lag: Math.max(0, now - oldestAt) / 1_000,
    })),
    ...subscribers.filter((rid) => !known.has(rid)).map((rid) => ({ peer: peerLabel(rid), queued: 0, lag: 0 })),
  ]
  const rest = all.slice(MAX_SUBSCRIBERS)
  if (rest.length === 0) return all
  const queued = rest.reduce((sum, one) => sum + one.queued, 0)
  const lag = rest.reduce((most, one) => Math.max(most, one.lag), 0)
  return [...all.slice(0, MAX_SUBSCRIBERS), { peer: OTHER, queued, lag }]
}
