import { KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, ProtocolError, ridTypeOf } from '@koi-mcp/protocol'
import type { Contents, Rid } from '@koi-mcp/protocol'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { KnowledgeObject } from '../pipeline/knowledge-object.ts'
import type { StoredBundle } from '../store/node-store.ts'

export type AuthorityMode = 'origin' | 'open'

export interface AuthorityRules {
  /**
   * `origin`: knowledge is changed by whom it is about, by whom it came from, or by whom this node asked for it. `open`: by anyone, as in the
   * reference. What is this node's own nobody else changes in either.
   */
  readonly mode: AuthorityMode
  /** The node that introduced this one to the network, once it is known: it may speak about all nodes and edges. */
  readonly firstContact: () => Rid | undefined
}

/** What of a handler's context the question needs. */
interface Here {
  readonly identity: { readonly rid: Rid }
  readonly graph: Pick<NodeGraph, 'profile' | 'edge'>
}

/**
 * Why what another node says about an RID does not count here; nothing when it does. An edge of this node counts here: its ends may change it, and
 * `EdgeNegotiationHandler` sees to that. So does an edge that is not cached and whose contents, which alone say whose it is, are not here yet.
 * (docs/decisions/0010)
 */
export function whyWithoutAuthority(
  { rid, source, eventType, contents }: KnowledgeObject,
  cached: StoredBundle | undefined,
  { identity, graph }: Here,
  { mode, firstContact }: AuthorityRules,
): string | undefined {
  if (source === undefined) return undefined
  const type = ridTypeOf(rid)
  const isEdge = type === KOI_NET_EDGE.name
  if (cached !== undefined && cached.origin === undefined) {
    return isEdge ? undefined : 'only this node changes its own knowledge'
  }
  if (mode === 'open' || source === rid || source === cached?.origin) return undefined
  if (isEdge) {
    const ends = endsOf(cached?.bundle.contents ?? contents)
    if (ends === undefined || ends.includes(source)) return undefined
  }
  const ofNetwork = isEdge || type === KOI_NET_NODE.name
  if (ofNetwork && source === firstContact()) return undefined
  // Nodes and edges a coordinator asks of everyone, who all have some to tell: themselves. Of others only a coordinator tells.
  if (ofNetwork && graph.profile(source)?.provides.event.includes(type) !== true)
    return `that peer does not provide ${type}`
  // What comes without an event type was asked for: caught up with, or dereferenced.
  const asked = eventType === undefined || graph.edge(source, identity.rid)?.profile.rid_types.includes(type)
  if (!asked) return `this node does not ask that peer for ${type}`
  if (cached?.origin === undefined) return undefined
  const origin = graph.profile(cached.origin)
  // Who keeps knowledge without telling of its changes, as a coordinator does, gives way to whoever tells.
  if (origin === undefined || (!ofNetwork && !origin.provides.event.includes(type))) return undefined
  return `it came from ${cached.origin}, which speaks for it`
}

/** The two nodes of an edge; nothing as long as they are not known. */
function endsOf(contents: Contents | undefined): readonly Rid[] | undefined {
  if (contents === undefined) return undefined
  try {
    const { source, target } = parseEdgeProfile(contents)
    return [source, target]
  } catch (error) {
    // Malformed, and refused as that where edges are looked at.
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}
