import { bundleOfEvent, parseNodeProfile, ProtocolError } from '@koi-mcp/protocol'
import type { NodeProfile, ReceivedEvents, Rid } from '@koi-mcp/protocol'

/**
 * The profile of a stranger who introduces itself: whole, in a NEW event about itself (wire document, Envelope). Nothing vouches for it before the
 * envelope is verified with its key.
 *
 * @throws ProtocolError for a malformed profile, naming its field
 */
export function introducedProfile(source: Rid, { events }: ReceivedEvents): NodeProfile | undefined {
  for (const [index, { ok: event }] of events.entries()) {
    if (event?.rid !== source || event.event_type !== 'NEW') continue
    const bundle = bundleOfEvent(event)
    if (bundle === undefined) continue
    try {
      return parseNodeProfile(bundle.contents)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      throw new ProtocolError(`payload.events[${index}].contents.${error.path}`, error.problem, { cause: error })
    }
  }
  return undefined
}
