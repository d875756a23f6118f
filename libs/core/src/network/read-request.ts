import { ENDPOINTS, parseEnvelope, parsePayload, ProtocolError, storedContents } from '@koi-mcp/protocol'
import type { EndpointPath, KoiEvent, ReceivedPayloads, Rid, SignedClaim } from '@koi-mcp/protocol'
import { introducedKey } from './introduced-profile.ts'

export interface ReadLimits {
  readonly maxValues: number
  readonly maxItems: number
}

type RequestPayloads = ReceivedPayloads[(typeof ENDPOINTS)[EndpointPath]['request']]

/** A request as it was read; nothing in it has been verified. */
export interface ReadRequest {
  readonly claim: SignedClaim
  readonly payload: RequestPayloads
  /** The key that a stranger brings along in its own profile, or what is wrong with that profile. */
  readonly introduced?: { readonly publicKey: string } | { readonly error: ProtocolError } | undefined
}

/** @throws ProtocolError for what is no envelope with the payload that the path calls for */
export function readRequest(path: EndpointPath, body: Uint8Array, limits: ReadLimits): ReadRequest {
  const claim = parseEnvelope(body, limits)
  const payload = parsePayload(claim.payload, ENDPOINTS[path].request, limits)
  if (payload.type !== 'events_payload') return { claim, payload }
  return { claim, payload, introduced: introducedKey(claim.source_node, payload) }
}

/** An error as plain data, for another thread. */
interface PackedError {
  readonly path: string
  readonly problem: string
  readonly code: ProtocolError['code']
}

/** A request that was read in another thread: plain data, texts instead of what they say. */
export type PackedRequest =
  | { readonly error: PackedError }
  | (Omit<ReadRequest, 'introduced'> & {
      readonly error?: undefined
      readonly introduced?: { readonly publicKey: string } | { readonly error: PackedError } | undefined
    })

/** Reads a request, and makes what it says fit to be sent to another thread. The two texts in it are bytes, to be transferred. */
export function packRequest(path: EndpointPath, body: Uint8Array, limits: ReadLimits): PackedRequest {
  try {
    const { claim, payload, introduced } = readRequest(path, body, limits)
    const { source_node, target_node, signature, signedText, receivedText } = claim
    return {
      claim: {
        source_node,
        target_node,
        signature,
        signedText: bytesOf(signedText),
        ...(receivedText !== undefined && { receivedText: bytesOf(receivedText) }),
      },
      payload: withItems(payload, packItem),
      introduced:
        introduced !== undefined && 'error' in introduced ? { error: packError(introduced.error) } : introduced,
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { error: packError(error) }
  }
}

/** @throws ProtocolError where the request could not be read */
export function unpackRequest(packed: PackedRequest): ReadRequest {
  if (packed.error !== undefined) throw unpackError(packed.error)
  const { claim, payload, introduced } = packed
  return {
    claim,
    payload: withItems(payload, unpackItem),
    introduced:
      introduced !== undefined && 'error' in introduced ? { error: unpackError(introduced.error) } : introduced,
  }
}

type AnyItem = { readonly ok?: KoiEvent | Rid; readonly error?: PackedError | undefined; readonly rid?: Rid }

/** The payload with every item of its list, where it has one, replaced. */
function withItems(payload: RequestPayloads, change: (item: AnyItem) => AnyItem): RequestPayloads {
  const of = (items: readonly object[]) => items.map((item) => change(item)) as never
  if (payload.type === 'events_payload') return { ...payload, events: of(payload.events) }
  if (payload.type === 'fetch_manifests' || payload.type === 'fetch_bundles') {
    return { ...payload, rids: of(payload.rids) }
  }
  return payload
}

function packItem(item: AnyItem): AnyItem {
  if (item.error !== undefined) return { ...item, error: packError(item.error) }
  const { ok } = item
  if (typeof ok !== 'object' || ok.contents === undefined) return item
  return { ok: { ...ok, contents: { text: ok.contents.text } as typeof ok.contents } }
}

function unpackItem(item: AnyItem): AnyItem {
  if (item.error !== undefined) return { ...item, error: unpackError(item.error) }
  const { ok } = item
  if (typeof ok !== 'object' || ok.contents === undefined) return item
  return { ok: { ...ok, contents: storedContents(ok.contents.text) } }
}

function packError({ path, problem, code }: PackedError): PackedError {
  return { path, problem, code }
}

function unpackError({ path, problem, code }: PackedError): ProtocolError {
  return new ProtocolError(path, problem, { code })
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? new TextEncoder().encode(text) : text
}
