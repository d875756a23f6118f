import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'

/** URIs one session or stream may subscribe to. */
export const MAX_SUBSCRIPTIONS = 1000
/** UTF-16 units of a URI that is subscribed to: it stays in memory whether or not it names anything. */
const MAX_URI = 2048

/** @throws ProtocolError -32602 */
export function checkUri(uri: string): void {
  if (uri.length <= MAX_URI) return
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, `The URI is too long to subscribe to (limit ${MAX_URI})`)
}
