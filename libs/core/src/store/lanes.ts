import { KOI_NET_EDGE, KOI_NET_NODE, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { NETWORK_LANE } from './node-store.ts'
import type { NewArrival } from './node-store.ts'

/** The lane of an RID: one for all nodes and edges, one for each other RID. */
export function laneOf(rid: Rid): string {
  const type = ridTypeOf(rid)
  return type === KOI_NET_NODE.name || type === KOI_NET_EDGE.name ? NETWORK_LANE : rid
}

/**
 * The lane that an arrival waits in. A node or an edge whose contents have yet to be fetched waits in one of its own: a source that does not answer
 * would hold up all nodes and edges.
 */
export function laneOfArrival({ rid, eventType, contents, source }: NewArrival): string {
  const toBeFetched = contents === undefined && eventType !== 'FORGET' && source !== undefined
  return toBeFetched ? rid : laneOf(rid)
}

/** Events of nodes and edges go out as they were, not as what is cached by then: a handshake is a FORGET and then a NEW. */
export function isSentAsItWas(rid: Rid): boolean {
  return rid.startsWith('orn:koi-net.')
}
