import type { Bundle, Item, KoiEvent, Manifest, Rid } from '@koi-mcp/protocol'

/**
 * Calls to other nodes (the reference's `RequestHandler`): signs, posts, bounds, verifies the reply. Where the reference's call would
 * kill the node, ours rejects with a `PeerError`.
 */
export interface PeerClient {
  /** Delivers events; resolves on a 200. */
  broadcastEvents(node: Rid, eventTexts: readonly string[]): Promise<void>
  /** Events waiting for us there; a malformed one is given as its error beside the good ones. */
  pollEvents(node: Rid, limit: number): Promise<readonly Item<KoiEvent>[]>
  fetchRids(node: Rid, ridTypes: readonly string[]): Promise<readonly Rid[]>
  fetchManifests(
    node: Rid,
    query: { ridTypes?: readonly string[]; rids?: readonly Rid[] },
  ): Promise<{ manifests: readonly Manifest[]; notFound: readonly Rid[] }>
  fetchBundles(
    node: Rid,
    rids: readonly Rid[],
  ): Promise<{ bundles: readonly Bundle[]; notFound: readonly Rid[]; deferred: readonly Rid[] }>
}

/** A call to a peer that failed. `retryable`: whether the same call may go through later. */
export class PeerError extends Error {
  readonly code: PeerErrorCode
  readonly peer: Rid
  readonly retryable: boolean
  constructor(code: PeerErrorCode, peer: Rid, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.name = 'PeerError'
    this.code = code
    this.peer = peer
    this.retryable = options.retryable
  }
}

export type PeerErrorCode =
  /** Nobody answers at the peer's address, or not in time. */
  | 'UNREACHABLE'
  /** We know no address for it: never met, forgotten, or a partial node. */
  | 'NO_ADDRESS'
  /** It is not among the nodes that we deal with. */
  | 'NOT_LISTED'
  /** The address is one that this node may not call. */
  | 'FORBIDDEN_ADDRESS'
  /** The peer answered with one of the protocol's four errors. */
  | 'UNKNOWN_NODE'
  | 'INVALID_KEY'
  | 'INVALID_SIGNATURE'
  | 'INVALID_TARGET'
  /** The peer answered something else than the protocol says. */
  | 'BAD_REPLY'
  | 'SERVER_ERROR'
