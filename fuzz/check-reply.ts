import { authenticateEnvelope, isWireErrorCode, parseEnvelope, parsePayload } from '@koi-mcp/protocol'
import type { PayloadType, Rid } from '@koi-mcp/protocol'
import type { Reply } from './target.ts'

const RESPONSES: Readonly<Record<string, PayloadType>> = {
  '/events/poll': 'events_payload',
  '/rids/fetch': 'rids_payload',
  '/manifests/fetch': 'manifests_payload',
  '/bundles/fetch': 'bundles_payload',
}
const DETAILED = [403, 404, 405, 413, 415, 429]

/** What is wrong with a reply; nothing when it is one that a node may give to anybody. */
export function problemOf(
  path: string,
  reply: Reply,
  from: { readonly rid: Rid; readonly publicKey: string },
): string | undefined {
  const { status, headers, body } = reply
  // Node's own, for an expectation that nobody has.
  if (status === 417) return undefined
  if (headers['content-type'] !== 'application/json') return `the content type is ${headers['content-type']}`
  try {
    const [plain = ''] = path.split('?')
    if (status === 200) return plain === '/events/broadcast' ? nullOnly(body) : signed(body, RESPONSES[plain], from)
    const read = JSON.parse(body) as { type?: unknown; error?: unknown; detail?: unknown }
    if (status === 400)
      return isWireErrorCode(read.error) && read.type === 'error_response' ? undefined : `the error is ${body}`
    if (status === 422) return Array.isArray(read.detail) ? undefined : `the details are ${body}`
    if (DETAILED.includes(status)) return typeof read.detail === 'string' ? undefined : `the detail is ${body}`
    return `the status is ${status}`
  } catch (error) {
    return `the reply cannot be read: ${String(error)}`
  }
}

function nullOnly(body: string): string | undefined {
  return body === 'null' ? undefined : `the body of a broadcast is ${body.slice(0, 100)}`
}

function signed(
  body: string,
  type: PayloadType | undefined,
  from: { rid: Rid; publicKey: string },
): string | undefined {
  if (type === undefined) return 'another path is answered 200'
  const envelope = parseEnvelope(body)
  authenticateEnvelope(envelope, from.publicKey, envelope.target_node)
  if (envelope.source_node !== from.rid) return `the reply is from ${envelope.source_node}`
  const payload = parsePayload(envelope.payload, type)
  const items = Object.values(payload).flatMap((field) => (Array.isArray(field) ? (field as { error?: Error }[]) : []))
  const bad = items.find(({ error }) => error !== undefined)
  return bad && `an item of the reply cannot be read: ${String(bad.error)}`
}
