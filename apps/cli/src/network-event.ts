/** A change of what a node knows, as `GET /api/events` and the services' channel tell it (`NodeEvent` of `@koi-mcp/core`). */
export interface NetworkEvent {
  readonly event: 'NEW' | 'UPDATE' | 'FORGET'
  /** ISO 8601, UTC. */
  readonly at: string
  readonly rid: string
  readonly about: 'node' | 'edge' | 'knowledge'
  /** RID of the node it came from. Absent = the node itself. */
  readonly source?: string
  /** Of an edge that is there: who tells whom. */
  readonly edge?: { readonly provider: string; readonly subscriber: string; readonly status: string }
}

/** `undefined` for what is no such event: services of another version may tell more than this one knows. */
export const readNetworkEvent = (value: unknown): NetworkEvent | undefined => {
  if (!isObject(value)) return undefined
  const { event, at, rid, about, source, edge } = value
  if (event !== 'NEW' && event !== 'UPDATE' && event !== 'FORGET') return undefined
  if (typeof rid !== 'string' || typeof at !== 'string' || Number.isNaN(Date.parse(at))) return undefined
  return {
    event,
    at,
    rid,
    about: about === 'node' || about === 'edge' ? about : 'knowledge',
    ...(typeof source === 'string' ? { source } : {}),
    ...readEdge(edge),
  }
}

const readEdge = (value: unknown): Pick<NetworkEvent, 'edge'> => {
  if (!isObject(value)) return {}
  const { provider, subscriber, status } = value
  if (typeof provider !== 'string' || typeof subscriber !== 'string' || typeof status !== 'string') return {}
  return { edge: { provider, subscriber, status } }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** The name in a node's RID: `orn:koi-net.node:<name>+<hash>`. Another RID is its own name. */
export const nodeName = (rid: string): string => /^orn:koi-net\.node:(.+)\+[0-9a-f]{64}$/su.exec(rid)?.[1] ?? rid
