import { bundleOfEvent, parseNodeProfile, ProtocolError } from '@koi-mcp/protocol'
import type { NodeProfile, ReceivedEvents, Rid } from '@koi-mcp/protocol'

/** The key in that profile; or what is wrong with the profile, which is of no interest where the sender is known already. */
export function introducedKey(
  source: Rid,
  payload: ReceivedEvents,
): { readonly publicKey: string } | { readonly error: ProtocolError } | undefined {
  try {
    const profile = introducedProfile(source, payload)
    return profile && { publicKey: profile.public_key }
  } catch (error) {
    if (error instanceof ProtocolError) return { error }
    throw error
  }
}

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
