import { envelopeFingerprint } from '@koi-mcp/protocol'
import type { ReceivedEvents, UnverifiedEnvelope } from '@koi-mcp/protocol'
import { arrivalsOf } from './event-arrivals.ts'
import type { ServiceContext } from './request-handler.ts'

/**
 * Takes the events of a verified envelope; when this resolves they are durable. The same envelope again changes nothing, for as long as it is
 * remembered: an old FORGET and NEW, sent once more by whoever recorded them, would undo what came after. (Two honest FORGETs of one RID have the
 * same text; their signatures differ.)
 */
export async function serveBroadcast(
  payload: ReceivedEvents,
  envelope: UnverifiedEnvelope,
  { store, identity, source, limits, log, clock }: ServiceContext,
): Promise<void> {
  const arrivals = arrivalsOf(payload.events, source, { self: identity.rid, maxRidBytes: limits.maxRidBytes, log })
  if (arrivals.length === 0) return
  const once = { key: `envelope/${envelopeFingerprint(envelope)}`, until: clock() + limits.replayMs }
  const { repeated } = await store.accept(arrivals, once)
  if (repeated) log.info('an envelope came again, nothing changed', { peer: source })
  else log.debug('took events', { peer: source, count: arrivals.length })
}
