import type { PollEvents } from '@koi-mcp/protocol'
import { answeredPoll } from '../business-events.ts'
import type { ServiceContext } from './request-handler.ts'

/** A response is sent well within this; after it, the events may go out again. */
const LEASE_MS = 60_000

/**
 * What is queued for the caller, up to `limit` events (0 = all) and `maxPollBytes`; what is beyond comes with its next poll. The events are leased,
 * and gone once the response went out: a poll has no acknowledgement, so a caller that dies while it reads has lost them.
 */
export async function servePoll(
  { limit }: PollEvents,
  context: ServiceContext,
): Promise<{ readonly text: string; readonly finished: (sent: boolean) => Promise<void> }> {
  const owner = `poll-${crypto.randomUUID()}`
  const { store, source, peers, limits, clock } = context
  const taken = await store.takeDeliveries(source, {
    owner,
    leaseMs: LEASE_MS,
    limit,
    maxBytes: limits.maxPollBytes,
    ignoreDue: true,
  })
  const batch = taken && peers.within(taken)
  const text = `{"type":"events_payload","events":[${batch?.eventTexts.join(',') ?? ''}]}`
  let over = false
  const finished = async (sent: boolean): Promise<void> => {
    if (batch === undefined || over) return
    over = true
    if (sent) await store.deliveriesDone(batch)
    else
      await store.deliveriesFailed(batch, { error: 'the connection broke while a poll was answered', dueAt: clock() })
    answeredPoll(context, source, batch.eventTexts.length, sent)
  }
  return { text, finished }
}
