/** Something that happened in a node, as `GET /api/events` tells it. */
export interface NetworkEvent {
  /** `new`, `update`, `forget` for knowledge; `handshake`, `edge` and others for the network itself. */
  readonly kind: string
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly rid?: string
  /** The RID of the other node: the one it came from. Absent = the node itself. */
  readonly peer?: string
  readonly message?: string
}

/** `undefined` for what is no event: services of another version may send more than this one knows. */
export const readNetworkEvent = (value: unknown): NetworkEvent | undefined => {
  if (typeof value !== 'object' || value === null) return undefined
  const fields = value as Readonly<Record<string, unknown>>
  const kind = fields['kind']
  const at = milliseconds(fields['at'])
  if (typeof kind !== 'string' || at === undefined) return undefined
  return { kind, at, ...textField(fields, 'rid'), ...textField(fields, 'peer'), ...textField(fields, 'message') }
}

const milliseconds = (value: unknown): number | undefined => {
  const at = typeof value === 'string' ? Date.parse(value) : value
  return typeof at === 'number' && Number.isFinite(at) ? at : undefined
}

const textField = <K extends string>(
  fields: Readonly<Record<string, unknown>>,
  name: K,
): Partial<Record<K, string>> => {
  const value = fields[name]
  return typeof value === 'string' ? ({ [name]: value } as Record<K, string>) : {}
}

/** The name in a node's RID: `orn:koi-net.node:<name>+<hash>`. Another RID is its own name. */
export const nodeName = (rid: string): string => /^orn:koi-net\.node:(.+)\+[0-9a-f]{64}$/su.exec(rid)?.[1] ?? rid
