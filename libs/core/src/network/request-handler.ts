import {
  authenticateEnvelope,
  isEndpointPath,
  payloadText,
  ProtocolError,
  signEnvelope,
  WireError,
} from '@koi-mcp/protocol'
import type { EndpointPath, ResponsePayload, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { refusedRequest } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import { StoreError } from '../store/node-store.ts'
import type { NodeStore } from '../store/node-store.ts'
import { PeerList } from '../security/peer-list.ts'
import { detailReply, jsonReply, malformedReply, unavailableReply, wireErrorReply } from './node-reply.ts'
import type { NodeReply } from './node-reply.ts'
import { readRequest } from './read-request.ts'
import type { ReadRequest } from './read-request.ts'
import { UnreadError } from './request-reader.ts'
import type { RequestReader } from './request-reader.ts'
import type { RidListings } from './rid-listings.ts'
import { serveBroadcast } from './serve-broadcast.ts'
import { serveBundles, serveManifests, serveRids } from './serve-fetch.ts'
import { servePoll } from './serve-poll.ts'

/** What is taken and answered at most. */
interface RequestLimits {
  /** Of a request's body; default 16 MiB. */
  readonly maxBodyBytes: number
  /** JSON values in one body, of any kind and at any depth: they are what time and memory go into; default 1,000,000. */
  readonly maxValues: number
  /** Events in one envelope, RIDs asked for at once, RID types named; default 10,000. */
  readonly maxItems: number
  /** RIDs above this many UTF-8 bytes are not taken; default 187, where files of the reference's cache end. */
  readonly maxRidBytes: number
  /** Of the bundles in one reply; those beyond it are `deferred`; default 8 MiB. */
  readonly maxBundleBytes: number
  /** Of the events in the reply to one poll; the next poll gets the rest; default 4 MiB. */
  readonly maxPollBytes: number
  /** Of the RIDs or manifests in one reply, which the protocol cannot page; default 24 MiB, what is beyond is left out with a warning. */
  readonly maxListBytes: number
  /** How long an envelope of events is remembered, to know its replay by, in milliseconds; default 24 h. */
  readonly replayMs: number
}

const DEFAULT_REQUEST_LIMITS: RequestLimits = {
  maxBodyBytes: 16 * 1024 * 1024,
  maxValues: 1_000_000,
  maxItems: 10_000,
  maxRidBytes: 187,
  maxBundleBytes: 8 * 1024 * 1024,
  maxPollBytes: 4 * 1024 * 1024,
  maxListBytes: 24 * 1024 * 1024,
  replayMs: 24 * 3_600_000,
}

type RequestStore = Pick<
  NodeStore,
  | 'accept'
  | 'takeDeliveries'
  | 'deliveriesDone'
  | 'deliveriesFailed'
  | 'readMany'
  | 'readManifests'
  | 'listRids'
  | 'lastChange'
>

export interface RequestDeps {
  readonly identity: Pick<NodeIdentity, 'rid' | 'privateKey'>
  readonly store: RequestStore
  readonly graph: Pick<NodeGraph, 'profile'>
  /** Takes into the graph what other processes of this node learned; absent, there are none. */
  readonly followGraph?: (() => Promise<void>) | undefined
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  readonly clock: Clock
  readonly limits?: Partial<RequestLimits> | undefined
  /** Keeps what is listed; absent, it is listed anew for each request. */
  readonly listings?: Pick<RidListings, 'of'> | undefined
  /** Reads large requests elsewhere; absent, all are read in this thread. */
  readonly reader?: Pick<RequestReader, 'read'> | undefined
  /** Told of each node that calls, once it is clear that it is that node. */
  readonly onCall?: ((source: Rid) => void) | undefined
  /** Who may call, and about what; default: anyone, about anything. */
  readonly peers?: PeerList | undefined
}

/** What the five services of a node get to work with. */
export interface ServiceContext extends RequestDeps {
  readonly limits: RequestLimits
  readonly peers: PeerList
  /** Who asks. */
  readonly source: Rid
}

const RETRY_AFTER_SECONDS = 5
const IN_THIS_THREAD: Pick<RequestReader, 'read'> = {
  read: ({ path, body, limits }) => new Promise((resolve) => resolve(readRequest(path, body, limits))),
}

/**
 * Answers a call of another node (wire document, Endpoints and Envelope). A plain function from path and bytes to status and text, so that any
 * server can carry it.
 *
 * @param path behind the node's base URL: `/events/broadcast`, exactly
 * @param from the address that the request came from; large requests of different ones take turns
 * @returns never rejects. 200 with a signed envelope (a broadcast: `null`, and its events are durable); 400 with one of the protocol's four
 *   errors; 403 not allowed; 404 no such path; 413 too large; 422 malformed, naming the field; 503 the store cannot now
 */
export async function handleRequest(
  path: string,
  body: Uint8Array,
  deps: RequestDeps,
  from?: string,
): Promise<NodeReply> {
  const limits = { ...DEFAULT_REQUEST_LIMITS, ...deps.limits }
  if (!isEndpointPath(path)) return detailReply(404, 'Not Found')
  if (body.length > limits.maxBodyBytes) return detailReply(413, `The body is longer than ${limits.maxBodyBytes} bytes`)
  try {
    const request = await (deps.reader ?? IN_THIS_THREAD).read({ path, body, limits }, from)
    return await answer(path, request, { ...deps, limits })
  } catch (error) {
    if (error instanceof ProtocolError) {
      refusedRequest(deps, path, 'malformed', { error: error.message })
      return malformedReply(error)
    }
    if (error instanceof WireError) {
      refusedRequest(deps, path, error.code, { error: error.message })
      return wireErrorReply(error.code)
    }
    if (error instanceof StoreError) {
      refusedRequest(deps, path, 'store_away', { error: error.message })
      return unavailableReply('The store is not available, try again later', RETRY_AFTER_SECONDS)
    }
    // Ours to mend; the caller is told nothing of the inside.
    refusedRequest(deps, path, 'internal', { error })
    if (error instanceof UnreadError) return unavailableReply('This node could not read the request, try again', 1)
    return detailReply(500, 'Internal Server Error')
  }
}

async function answer(
  path: EndpointPath,
  { claim, payload, introduced }: ReadRequest,
  deps: RequestDeps & { limits: RequestLimits },
): Promise<NodeReply> {
  const { identity, graph, followGraph, peers = PeerList.open } = deps
  const source = claim.source_node
  // It may have introduced itself to another process of this node a moment ago.
  if (graph.profile(source) === undefined && introduced === undefined) await followGraph?.()
  authenticateEnvelope(claim, graph.profile(source)?.public_key ?? keyOf(introduced), identity.rid)
  if (!peers.has(source)) {
    refusedRequest(deps, path, 'not_listed', { peer: source })
    return detailReply(403, 'This node answers only those that are listed in its security.peer_types')
  }

  deps.onCall?.(source)

  const context: ServiceContext = { ...deps, peers, source }
  const signed = (reply: ResponsePayload): NodeReply => signedReply(payloadText(reply), context)
  switch (payload.type) {
    case 'events_payload':
      await serveBroadcast(payload, claim, context)
      return jsonReply(200, 'null')
    case 'poll_events': {
      const { text, finished } = await servePoll(payload, context)
      return { ...signedReply(text, context), finished }
    }
    case 'fetch_rids':
      return signedReply(await serveRids(payload, context), context)
    case 'fetch_manifests':
      return signed(await serveManifests(payload, context))
    case 'fetch_bundles':
      return signed(await serveBundles(payload, context))
  }
}

function keyOf(introduced: ReadRequest['introduced']): string | undefined {
  if (introduced !== undefined && 'error' in introduced) throw introduced.error
  return introduced?.publicKey
}

function signedReply(text: string, { identity, source }: ServiceContext): NodeReply {
  return jsonReply(200, signEnvelope({ payloadText: text, source: identity.rid, target: source }, identity.privateKey))
}
