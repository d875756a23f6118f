import { KOI_NET_EDGE, KOI_NET_NODE, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { NETWORK_LANE } from './node-store.ts'

/** The lane of an RID's arrivals: one for all nodes and edges, one for each other RID. */
export function laneOf(rid: Rid): string {
  const type = ridTypeOf(rid)
  return type === KOI_NET_NODE.name || type === KOI_NET_EDGE.name ? NETWORK_LANE : rid
}
