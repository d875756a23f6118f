import type { EventType, Rid } from '@koi-mcp/protocol'
import { KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, ridTypeOf } from '@koi-mcp/protocol'
import type { AppliedKnowledge } from '../pipeline/pipeline.ts'

/** What happened at a node, for people who watch: one per change of its cache. */
export interface NodeEvent {
  /** ISO 8601, UTC. */
  readonly at: string
  readonly event: EventType
  readonly rid: Rid
  readonly ridType: string
  /** What kind of thing it is about: the network itself, or knowledge. */
  readonly about: 'node' | 'edge' | 'knowledge'
  /** The node it came from; absent = this node itself. */
  readonly source?: Rid | undefined
  /** Of an edge: who tells whom about what, and whether that is agreed. */
  readonly edge?: {
    readonly provider: Rid
    readonly subscriber: Rid
    readonly status: 'PROPOSED' | 'APPROVED'
    readonly ridTypes: readonly string[]
  }
}

export function nodeEventOf({ rid, eventType, source, contents }: AppliedKnowledge, at: number): NodeEvent {
  const ridType = ridTypeOf(rid)
  const base = {
    at: new Date(at).toISOString(),
    event: eventType,
    rid,
    ridType,
    ...(source !== undefined && { source }),
  }
  if (ridType === KOI_NET_NODE.name) return { ...base, about: 'node' }
  if (ridType !== KOI_NET_EDGE.name || contents === undefined) return { ...base, about: 'knowledge' }
  const { source: provider, target: subscriber, status, rid_types } = parseEdgeProfile(contents)
  return { ...base, about: 'edge', edge: { provider, subscriber, status, ridTypes: rid_types } }
}
