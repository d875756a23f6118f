import { edgeRid, KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, parseNodeProfile, ridTypeOf } from '@koi-mcp/protocol'
import type { Contents, EdgeProfile, NodeProfile, Rid } from '@koi-mcp/protocol'
import type { KnowledgeReader } from '../knowledge/knowledge-reader.ts'
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

  constructor(self: Rid) {
    this.#self = self
  }

  /** Reads all cached nodes and edges; called once, at start. */
  async load(knowledge: Pick<KnowledgeReader, 'listBundles'>): Promise<void> {
    let after: Rid | undefined
    for (;;) {
      const page = await knowledge.listBundles({ types: [KOI_NET_NODE.name, KOI_NET_EDGE.name], after, limit: PAGE })
      for (const { rid, bundle } of page) this.observe(rid, bundle.contents)
      after = page.at(-1)?.rid
      if (page.length < PAGE) return
    }
  }

  /** Takes in one change of the cache: the contents now cached under the RID, or nothing after a FORGET. */
  observe(rid: Rid, contents: Contents | undefined): void {
    const type = ridTypeOf(rid)
    if (type === KOI_NET_NODE.name) this.#observeNode(rid, contents)
    else if (type === KOI_NET_EDGE.name) this.#observeEdge(rid, contents)
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
