import { edgeRid, KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, parseNodeProfile, ridTypeOf } from '@koi-mcp/protocol'
import type { Contents, EdgeProfile, NodeProfile, Rid } from '@koi-mcp/protocol'
import { laneOf } from '../store/lanes.ts'
import { NETWORK_LANE } from '../store/node-store.ts'
import type { NodeStore } from '../store/node-store.ts'
import type { NodeGraph } from './node-graph.ts'

interface EdgeEntry {
  readonly rid: Rid
  readonly profile: EdgeProfile
}

const PAGE = 500

/**
 * The network as this node sees it, kept up one cached change at a time (the reference lists its whole cache on every node or
 * edge event). Malformed profiles never get into the cache of this node; one found there all the same is left out here.
 */
export class NetworkGraph implements NodeGraph {
  readonly #self: Rid
  readonly #profiles = new Map<Rid, NodeProfile>()
  readonly #edges = new Map<Rid, EdgeEntry>()
  /** node → RIDs of the edges that name it at either end. */
  readonly #byNode = new Map<Rid, Set<Rid>>()
  /** The last change of the cache that is taken in. */
  #seq = 0
  #following: Promise<void> = Promise.resolve()
  /** The look that waits for the one under way; it sees all that its callers need. */
  #next: Promise<void> | undefined

  constructor(self: Rid) {
    this.#self = self
  }

  /** Reads all cached nodes and edges; called once, at start. */
  async load(store: Pick<NodeStore, 'lastChange' | 'listBundles'>): Promise<void> {
    this.#seq = await store.lastChange()
    let after: Rid | undefined
    for (;;) {
      const page = await store.listBundles({ types: [KOI_NET_NODE.name, KOI_NET_EDGE.name], after, limit: PAGE })
      for (const { rid, bundle } of page) this.observe(rid, bundle.contents)
      after = page.at(-1)?.rid
      if (page.length < PAGE) return
    }
  }

  /**
   * Takes in what changed since the last look, whichever process of the node changed it, and whether or not it heard that its change was kept.
   * Resolves once everything is in that was durable at the call.
   */
  follow(store: Pick<NodeStore, 'changesAfter' | 'readMany'>): Promise<void> {
    this.#next ??= this.#following.then(() => {
      this.#next = undefined
      return this.#takeIn(store)
    })
    this.#following = this.#next.catch(() => undefined)
    return this.#next
  }

  async #takeIn(store: Pick<NodeStore, 'changesAfter' | 'readMany'>): Promise<void> {
    for (;;) {
      const changes = await store.changesAfter(this.#seq, PAGE)
      const rids = [...new Set(changes.map(({ rid }) => rid).filter((rid) => laneOf(rid) === NETWORK_LANE))]
      const cached = new Map(rids.length === 0 ? [] : (await store.readMany(rids)).map((found) => [found.rid, found]))
      for (const rid of rids) this.observe(rid, cached.get(rid)?.bundle.contents)
      this.#seq = changes.at(-1)?.seq ?? this.#seq
      if (changes.length < PAGE) return
    }
  }

  /** Takes in one change of the cache: the contents now cached under the RID, or nothing after a FORGET. */
  observe(rid: Rid, contents: Contents | undefined): void {
    const type = ridTypeOf(rid)
    if (type === KOI_NET_NODE.name) this.#observeNode(rid, contents)
    else if (type === KOI_NET_EDGE.name) this.#observeEdge(rid, contents)
  }

  /** The place in the change log up to which this is the network. */
  get asOf(): number {
    return this.#seq
  }

  profile(node: Rid): NodeProfile | undefined {
    return this.#profiles.get(node)
  }

  nodes(): readonly Rid[] {
    return [...this.#profiles.keys()]
  }

  edge(source: Rid, target: Rid): EdgeEntry | undefined {
    return this.#edges.get(edgeRid(source, target))
  }

  edges(): readonly EdgeEntry[] {
    return [...this.#edges.values()]
  }

  edgesOf(node: Rid): readonly EdgeEntry[] {
    return [...(this.#byNode.get(node) ?? [])].flatMap((rid) => this.#edges.get(rid) ?? [])
  }

  subscribers(ridType: string): readonly Rid[] {
    return this.neighbors('out', ridType)
  }

  neighbors(direction?: 'in' | 'out', ridType?: string): readonly Rid[] {
    const found = new Set<Rid>()
    for (const { profile } of this.edgesOf(this.#self)) {
      const outgoing = profile.source === this.#self
      if (direction !== undefined && (direction === 'out') !== outgoing) continue
      if (ridType !== undefined && !profile.rid_types.includes(ridType)) continue
      found.add(outgoing ? profile.target : profile.source)
    }
    return [...found]
  }

  stateProviders(ridType: string): readonly Rid[] {
    return [...this.#profiles]
      .filter(
        ([rid, profile]) =>
          rid !== this.#self && profile.node_type === 'FULL' && profile.provides.state.includes(ridType),
      )
      .map(([rid]) => rid)
  }

  #observeNode(rid: Rid, contents: Contents | undefined): void {
    const profile = contents === undefined ? undefined : orNothing(() => parseNodeProfile(contents))
    if (profile === undefined) this.#profiles.delete(rid)
    else this.#profiles.set(rid, profile)
  }

  #observeEdge(rid: Rid, contents: Contents | undefined): void {
    const known = this.#edges.get(rid)
    if (known !== undefined) {
      this.#edges.delete(rid)
      for (const node of [known.profile.source, known.profile.target]) {
        const edges = this.#byNode.get(node)
        edges?.delete(rid)
        if (edges?.size === 0) this.#byNode.delete(node)
      }
    }
    const profile = contents === undefined ? undefined : orNothing(() => parseEdgeProfile(contents))
    if (profile === undefined) return
    this.#edges.set(rid, { rid, profile })
    for (const node of [profile.source, profile.target]) {
      const edges = this.#byNode.get(node) ?? new Set<Rid>()
      this.#byNode.set(node, edges.add(rid))
    }
  }
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
