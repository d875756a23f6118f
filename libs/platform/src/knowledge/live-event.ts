import type { NodeHappening } from '../service/service-node.ts'

/** Something that happened in the node, for people who watch: `GET /api/events`, `koi-mcp watch`, `koi-mcp up`. */
export interface LiveEvent {
  /** `edge` for one that was proposed or approved; what the knowledge did for everything else, nodes included. */
  readonly kind: 'new' | 'update' | 'forget' | 'edge'
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly rid: string
  readonly rid_type: string
  /** The node it came from; absent = this node itself. */
  readonly peer?: string
  readonly edge?: {
    readonly provider: string
    readonly subscriber: string
    readonly status: string
    readonly rid_types: readonly string[]
  }
}

const KINDS = { NEW: 'new', UPDATE: 'update', FORGET: 'forget' } as const

export function liveEventOf({ at, event, rid, ridType, source, edge }: NodeHappening): LiveEvent {
  const { ridTypes, ...ends } = edge ?? { ridTypes: [] }
  return {
    kind: edge === undefined ? KINDS[event] : 'edge',
    at: Date.parse(at),
    rid,
    rid_type: ridType,
    ...(source !== undefined && { peer: source }),
    ...(edge !== undefined && { edge: { ...(ends as Omit<typeof edge, 'ridTypes'>), rid_types: ridTypes } }),
  }
}
