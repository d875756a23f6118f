import { envelopeFingerprint } from '@koi-mcp/protocol'
import type { ReceivedEvents, SignedClaim } from '@koi-mcp/protocol'
import { tookEvents } from '../business-events.ts'
import type { NewArrival } from '../store/node-store.ts'
import { arrivalsOf } from './event-arrivals.ts'
import type { ServiceContext } from './request-handler.ts'

/** Of one envelope in one step of the store, which takes some 10 ms for so much; other requests get their turn between two steps. */
const EVENTS_AT_ONCE = 1_000
const CHARACTERS_AT_ONCE = 4 * 1024 * 1024

/**
 * Takes the events of a verified envelope, in order; when this resolves they are durable. A large envelope is taken in several steps: where one
 * fails the sender is not told 200, and the same envelope sent again goes on behind the steps that were made. The same envelope again changes nothing, for as long as it is
 * remembered: an old FORGET and NEW, sent once more by whoever recorded them, would undo what came after. (Two honest FORGETs of one RID have the
 * same text; their signatures differ.)
 */
export async function serveBroadcast(
  payload: ReceivedEvents,
  claim: SignedClaim,
  context: ServiceContext,
): Promise<void> {
  const { store, identity, source, peers, limits, log, observer, clock } = context
  const received = payload.events.length
  const arrivals = arrivalsOf(payload.events, source, {
    self: identity.rid,
    peers,
    maxRidBytes: limits.maxRidBytes,
    log,
    observer,
  })
  if (arrivals.length === 0) return tookEvents(context, source, { received, accepted: 0, repeated: false })
  const key = `envelope/${envelopeFingerprint(claim)}`
  const until = clock() + limits.replayMs
  let taken = 0
  for (const [index, chunk] of steps(arrivals).entries()) {
    const { repeated } = await store.accept(chunk, { key: index === 0 ? key : `${key}/${index}`, until })
    if (!repeated) taken += chunk.length
  }
  tookEvents(context, source, { received, accepted: taken, repeated: taken === 0 })
}

function steps(arrivals: readonly NewArrival[]): readonly (readonly NewArrival[])[] {
  const all: NewArrival[][] = []
  let room = 0
  for (const arrival of arrivals) {
    const characters = arrival.contents?.text.length ?? 0
    const last = all.at(-1)
    if (last === undefined || last.length === EVENTS_AT_ONCE || characters > room) {
      all.push([arrival])
      room = CHARACTERS_AT_ONCE - characters
    } else {
      last.push(arrival)
      room -= characters
    }
  }
  return all
}
