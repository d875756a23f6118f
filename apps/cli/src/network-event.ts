/** Something that happened in a node, as `GET /api/events` and the services' channel tell it (`LiveEvent` of `@koi-mcp/platform`). */
export interface NetworkEvent {
  /** `edge` for one that was proposed or approved; what became of the knowledge for everything else, nodes included. */
  readonly kind: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly rid: string
  readonly rid_type?: string
  /** RID of the node it came from. Absent = the node itself. */
  readonly peer?: string
  /** Who tells whom. */
  readonly edge?: { readonly provider: string; readonly subscriber: string; readonly status: string }
}

/** `undefined` for what is no event: services of another version may tell more than this one knows. */
export const readNetworkEvent = (value: unknown): NetworkEvent | undefined => {
  if (!isObject(value)) return undefined
  const { kind, at, rid, rid_type, peer, edge } = value
  if (typeof kind !== 'string' || typeof at !== 'number' || typeof rid !== 'string') return undefined
  // The range of a Date.
  if (!(Math.abs(at) <= 8.64e15)) return undefined
  return {
    kind,
    at,
    rid,
    ...(typeof rid_type === 'string' ? { rid_type } : {}),
    ...(typeof peer === 'string' ? { peer } : {}),
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
