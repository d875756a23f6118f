import {
  authenticateEnvelope,
  BROADCAST_EVENTS_PATH,
  ENDPOINTS,
  FETCH_BUNDLES_PATH,
  FETCH_MANIFESTS_PATH,
  FETCH_RIDS_PATH,
  parseEnvelope,
  parseErrorResponse,
  parseNodeProfile,
  parsePayload,
  payloadText,
  POLL_EVENTS_PATH,
  ProtocolError,
  signEnvelope,
  WireError,
} from '@koi-mcp/protocol'
import type {
  Bundle,
  EndpointPath,
  Item,
  KoiEvent,
  Manifest,
  PayloadType,
  ReceivedPayloads,
  Rid,
} from '@koi-mcp/protocol'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { calledPeer } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import { spanning } from '../tracing/tracer.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { AddressBook, PeerAddress } from './address-book.ts'
import type { HttpExchange, HttpReply } from './http-exchange.ts'
import { HttpExchangeError } from './http-exchange.ts'
import { introducedProfile } from './introduced-profile.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

export interface HttpPeerClientOptions {
  readonly identity: Pick<NodeIdentity, 'rid' | 'privateKey'>
  readonly addressOf: AddressBook
  readonly http: Pick<HttpExchange, 'post'>
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  /** Nodes that are not on it are not called. */
  readonly peers?: PeerList | undefined
  /** Ends the calls that are on their way. */
  readonly signal?: AbortSignal
}

/** Lines for one reply. */
const LOGGED = 10

type ReplyType<P extends EndpointPath> = (typeof ENDPOINTS)[P]['response']

/** Calls other nodes over HTTP. Everything it rejects with is a `PeerError`. */
export class HttpPeerClient implements PeerClient {
  readonly #options: HttpPeerClientOptions
  /** Of a first contact whose profile came with a reply and is not worked off yet; it belongs to its RID for good. */
  readonly #proven = new Map<Rid, string>()

  constructor(options: HttpPeerClientOptions) {
    this.#options = options
  }

  async broadcastEvents(node: Rid, eventTexts: readonly string[]): Promise<void> {
    await this.#call(node, BROADCAST_EVENTS_PATH, `{"type":"events_payload","events":[${eventTexts.join(',')}]}`)
  }

  async pollEvents(node: Rid, limit: number): Promise<readonly Item<KoiEvent>[]> {
    const request = payloadText({ type: 'poll_events', limit })
    return (await this.#ask(node, POLL_EVENTS_PATH, request)).events
  }

  async fetchRids(node: Rid, ridTypes: readonly string[]): Promise<readonly Rid[]> {
    const request = payloadText({ type: 'fetch_rids', rid_types: ridTypes })
    return this.#sound(node, (await this.#ask(node, FETCH_RIDS_PATH, request)).rids)
  }

  async fetchManifests(
    node: Rid,
    { ridTypes = [], rids = [] }: { ridTypes?: readonly string[]; rids?: readonly Rid[] },
  ): Promise<{ manifests: readonly Manifest[]; notFound: readonly Rid[] }> {
    const request = payloadText({ type: 'fetch_manifests', rid_types: ridTypes, rids })
    const reply = await this.#ask(node, FETCH_MANIFESTS_PATH, request)
    return { manifests: this.#sound(node, reply.manifests), notFound: this.#sound(node, reply.not_found) }
  }

  async fetchBundles(
    node: Rid,
    rids: readonly Rid[],
  ): Promise<{ bundles: readonly Bundle[]; notFound: readonly Rid[]; deferred: readonly Rid[] }> {
    const reply = await this.#ask(node, FETCH_BUNDLES_PATH, payloadText({ type: 'fetch_bundles', rids }))
    return {
      bundles: this.#sound(node, reply.bundles),
      notFound: this.#sound(node, reply.not_found),
      deferred: this.#sound(node, reply.deferred),
    }
  }

  /** The items that could be read; what is wrong with the others goes to the log. */
  #sound<T>(node: Rid, items: readonly Item<T>[]): readonly T[] {
    const { log } = this.#options
    const bad = items.filter((item) => item.error !== undefined)
    for (const { rid, error } of bad.slice(0, LOGGED)) {
      log.warn('left out of a reply', { peer: node, rid: rid?.slice(0, 300), error: error.message })
    }
    if (bad.length > LOGGED) log.warn('left out more of the same reply', { peer: node, count: bad.length - LOGGED })
    return items.flatMap((item) => (item.error === undefined ? [item.ok] : []))
  }

  async #ask<P extends EndpointPath & Replying>(
    node: Rid,
    path: P,
    request: string,
  ): Promise<ReceivedPayloads[Reply<P>]> {
    const publicKey = this.#addressOf(node).publicKey ?? this.#proven.get(node)
    if (publicKey === undefined && path !== POLL_EVENTS_PATH && path !== FETCH_BUNDLES_PATH) {
      throw new PeerError('NO_ADDRESS', node, 'its public key is not known yet, so its reply could not be verified', {
        retryable: true,
      })
    }
    const { body } = await this.#call(node, path, request)
    try {
      const envelope = parseEnvelope(body)
      if (envelope.source_node !== node) throw new ProtocolError('source_node', `is ${envelope.source_node}`)
      const payload = parsePayload<PayloadType>(envelope.payload, ENDPOINTS[path].response)
      const key = publicKey ?? keyWithin(node, payload)
      authenticateEnvelope(envelope, key, this.#options.identity.rid)
      if (publicKey === undefined && key !== undefined) this.#proven.set(node, key)
      return payload as ReceivedPayloads[Reply<P>]
    } catch (cause) {
      if (!(cause instanceof ProtocolError) && !(cause instanceof WireError)) throw unexpected(node, cause)
      throw new PeerError('BAD_REPLY', node, `answered ${path} with no sound envelope: ${cause.message}`, {
        retryable: false,
        cause,
      })
    }
  }

  #call(node: Rid, path: EndpointPath, payload: string): Promise<HttpReply> {
    const attributes = { 'http.request.method': 'POST', 'koi_mcp.peer': node, 'koi_mcp.path': path }
    return spanning(`POST ${path}`, { kind: 'client', attributes }, () => this.#post(node, path, payload))
  }

  async #post(node: Rid, path: EndpointPath, payload: string): Promise<HttpReply> {
    const { http, signal } = this.#options
    const url = this.#addressOf(node).url.replace(/\/+$/, '') + path
    const body = await spanning('sign envelope', {}, () => Promise.resolve(this.#sign(node, payload)))
    const since = performance.now()
    let status: number | undefined
    let ended: HttpReply | PeerError
    try {
      const reply = await http.post(url, body, signal)
      status = reply.status
      ended = status >= 200 && status < 300 ? reply : refused(node, path, reply)
    } catch (cause) {
      ended = noReply(node, cause)
    }
    const seconds = (performance.now() - since) / 1_000
    const outcome = ended instanceof PeerError ? ended.code.toLowerCase() : 'ok'
    calledPeer(this.#options, node, { path, url, status, outcome, seconds })
    if (ended instanceof PeerError) throw ended
    return ended
  }

  #sign(node: Rid, payload: string): string {
    const { rid, privateKey } = this.#options.identity
    return signEnvelope({ payloadText: payload, source: rid, target: node }, privateKey)
  }

  #addressOf(node: Rid): PeerAddress {
    if (node === this.#options.identity.rid) {
      throw new PeerError('NO_ADDRESS', node, 'a node does not call itself', { retryable: false })
    }
    if (this.#options.peers?.has(node) === false) {
      throw new PeerError('NOT_LISTED', node, 'it is not listed in security.peer_types', { retryable: false })
    }
    const address = this.#options.addressOf(node)
    if (address !== undefined) return address
    throw new PeerError('NO_ADDRESS', node, 'no address is known for it: a stranger or a partial node', {
      retryable: false,
    })
  }
}

/**
 * The key of a first contact that is known by its RID alone: a reply may bring its profile, in the first events polled or as the bundle asked
 * for. Believed only if it hashes to that RID, which `authenticateEnvelope` sees to.
 */
function keyWithin(node: Rid, payload: ReceivedPayloads[PayloadType]): string | undefined {
  if (payload.type === 'events_payload') return introducedProfile(node, payload)?.public_key
  if (payload.type !== 'bundles_payload') return undefined
  const own = payload.bundles.find((item) => item.ok?.manifest.rid === node)?.ok
  return own && parseNodeProfile(own.contents).public_key
}

type Replying = { [P in EndpointPath]: ReplyType<P> extends null ? never : P }[EndpointPath]
type Reply<P extends Replying> = Extract<ReplyType<P>, PayloadType>

function noReply(node: Rid, cause: unknown): PeerError {
  if (!(cause instanceof HttpExchangeError)) return unexpected(node, cause)
  switch (cause.reason) {
    case 'forbidden':
      return new PeerError('FORBIDDEN_ADDRESS', node, cause.message, { retryable: false, cause })
    case 'too_large':
      return new PeerError('BAD_REPLY', node, cause.message, { retryable: false, cause })
    case 'unreachable':
    case 'aborted':
      return new PeerError('UNREACHABLE', node, cause.message, { retryable: true, cause })
  }
}

const WIRE_ERRORS = {
  unknown_node: { code: 'UNKNOWN_NODE', retryable: true, means: 'it does not know this node' },
  invalid_key: { code: 'INVALID_KEY', retryable: false, means: 'it holds another public key for this node' },
  invalid_signature: { code: 'INVALID_SIGNATURE', retryable: false, means: 'the signature does not verify there' },
  invalid_target: { code: 'INVALID_TARGET', retryable: false, means: 'another node answers at its address' },
} as const

function refused(node: Rid, path: string, { status, body }: HttpReply): PeerError {
  const text = Buffer.from(body).toString('utf8', 0, 2_000)
  const wire = status === 400 ? parseErrorResponse(text) : undefined
  if (wire !== undefined) {
    const { code, retryable, means } = WIRE_ERRORS[wire]
    return new PeerError(code, node, `answered ${path} with ${wire}: ${means}`, { retryable })
  }
  const said = `answered ${path} with status ${status}: ${text.slice(0, 200)}`
  if (status >= 500 || [408, 425, 429].includes(status))
    return new PeerError('SERVER_ERROR', node, said, { retryable: true })
  if (status >= 300 && status < 400) {
    return new PeerError(
      'BAD_REPLY',
      node,
      `${said} (redirects are not followed: its base_url should be where it points)`,
      { retryable: false },
    )
  }
  return new PeerError('BAD_REPLY', node, said, { retryable: false })
}

/** Ours to mend, but a caller of a peer has one family of errors to handle. */
function unexpected(node: Rid, cause: unknown): PeerError {
  return new PeerError('BAD_REPLY', node, `the call failed: ${String(cause)}`, { retryable: false, cause })
}
