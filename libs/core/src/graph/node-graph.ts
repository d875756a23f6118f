import type { EdgeProfile, NodeProfile, Rid } from '@koi-mcp/protocol'

/** What this node knows of the network: profiles and edges, kept up one change at a time. Reads never touch the store. */
export interface NodeGraph {
  profile(node: Rid): NodeProfile | undefined
  nodes(): readonly Rid[]
  edge(source: Rid, target: Rid): { readonly rid: Rid; readonly profile: EdgeProfile } | undefined
  edges(): readonly { readonly rid: Rid; readonly profile: EdgeProfile }[]
  /** Edges that name the node at either end. */
  edgesOf(node: Rid): readonly { readonly rid: Rid; readonly profile: EdgeProfile }[]
  /** Nodes subscribed to the type here: other ends of edges whose source is this node (status is not looked at, as in the reference). */
  subscribers(ridType: string): readonly Rid[]
  /** Other ends of this node's edges: `in` = they provide, `out` = they subscribe. */
  neighbors(direction?: 'in' | 'out', ridType?: string): readonly Rid[]
  /** Full nodes other than this one whose profile provides the type's state. */
  stateProviders(ridType: string): readonly Rid[]
}
