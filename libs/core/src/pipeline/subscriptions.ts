import { edgeProfileContents, edgeRid } from '@koi-mcp/protocol'
import type { NodeProfile, Rid } from '@koi-mcp/protocol'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NewArrival } from '../store/node-store.ts'

export interface SubscriptionOptions {
  /** RID types this node wants to hear of; `undefined` = all that a node provides (the reference's `rid_types_of_interest`). */
  readonly interest: readonly string[] | undefined
  /** Types asked of every node that introduces itself, provided or not: a coordinator's nodes and edges. */
  readonly always: readonly string[]
  /** Of the nodes on it, what each is listed for can be wanted; default: everything of everyone. */
  readonly peers?: PeerList | undefined
}

/** What of a handler's context a contact needs; the node's start uses it outside the pipeline. */
export interface ContactContext {
  readonly identity: NodeIdentity
  readonly graph: NodeGraph
  readonly log: Logger
  push(arrival: NewArrival): void
}

/** Decides what this node subscribes to where, and proposes the edges. */
export class Subscriptions {
  readonly #options: SubscriptionOptions

  constructor(options: SubscriptionOptions) {
    this.#options = options
  }

  /** The types this node wants of a node with this profile, sorted. */
  wantedOf(node: Rid, profile: NodeProfile): readonly string[] {
    const { interest, always, peers } = this.#options
    const offered = profile.provides.event
    const wanted = interest === undefined ? offered : offered.filter((type) => interest.includes(type))
    return [...new Set([...wanted, ...always])].filter((type) => peers?.allows(node, type) ?? true).sort()
  }

  /**
   * Proposes the edge from a node to us unless it stands already with the same types; `afresh` replaces one that stands.
   * (wire: Handshake and edges, 2 and 3)
   */
  contact(context: ContactContext, node: Rid, profile: NodeProfile, { afresh }: { afresh: boolean }): void {
    const { identity, graph, log } = context
    // A partial node serves nothing; it can be asked to send us its events all the same, which only a coordinator does.
    if (node === identity.rid || (profile.node_type === 'PARTIAL' && this.#options.always.length === 0)) return
    const wanted = this.wantedOf(node, profile)
    if (wanted.length === 0) return
    const rid = edgeRid(node, identity.rid)
    const standing = graph.edge(node, identity.rid)
    if (standing !== undefined && !afresh && sameTypes(standing.profile.rid_types, wanted)) return
    if (standing !== undefined && afresh) context.push({ rid, eventType: 'FORGET' })
    const edge = edgeProfileContents({
      source: node,
      target: identity.rid,
      edge_type: identity.profile.node_type === 'FULL' ? 'WEBHOOK' : 'POLL',
      status: 'PROPOSED',
      rid_types: wanted,
    })
    context.push({ rid, contents: edge })
    log.info('subscribing', { peer: node, types: wanted })
  }
}

function sameTypes(one: readonly string[], other: readonly string[]): boolean {
  const set = new Set(one)
  return set.size === new Set(other).size && other.every((type) => set.has(type))
}
