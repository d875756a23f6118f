import { contentsOf } from './contents.ts'
import type { Contents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { membersOf, oneOf, required, stringOf } from './fields.ts'
import type { Members } from './fields.ts'
import { parseJson } from './json-text.ts'
import { ridTypeNames } from './node-profile.ts'
import { checkContext } from './profile-context.ts'
import { NODE_TYPE_NAME, parseRid } from './rid.ts'
import type { Rid } from './rid.ts'

export const EDGE_TYPES = ['WEBHOOK', 'POLL'] as const
export const EDGE_STATUSES = ['PROPOSED', 'APPROVED'] as const

export type EdgeType = (typeof EDGE_TYPES)[number]
export type EdgeStatus = (typeof EDGE_STATUSES)[number]

/** A subscription: `source` delivers events of `rid_types` to `target` (koi-net 2.1.0, `koi_net.protocol.edge`). */
export interface EdgeProfile {
  readonly source: Rid
  readonly target: Rid
  readonly edge_type: EdgeType
  readonly status: EdgeStatus
  /** By name. */
  readonly rid_types: readonly string[]
}

const EDGE_PROFILE_CONTEXT = 'orn:koi-net.context:koi-net.edge'

/** An edge as the contents of its bundle (whose RID is `edgeRid(source, target)`), in the reference's order. */
export function edgeProfileContents(edge: EdgeProfile): Contents {
  return contentsOf({
    '@context': EDGE_PROFILE_CONTEXT,
    source: edge.source,
    target: edge.target,
    edge_type: edge.edge_type,
    status: edge.status,
    rid_types: edge.rid_types,
  })
}

/** @throws ProtocolError */
export function parseEdgeProfile(contents: Contents): EdgeProfile {
  const members = membersOf(parseJson(contents.text), '')
  checkContext(members)
  return {
    source: nodeOf(members, 'source'),
    target: nodeOf(members, 'target'),
    edge_type: oneOf(required(members, 'edge_type', ''), EDGE_TYPES, 'edge_type'),
    status: oneOf(required(members, 'status', ''), EDGE_STATUSES, 'status'),
    rid_types: ridTypeNames(required(members, 'rid_types', ''), 'rid_types'),
  }
}

function nodeOf(members: Members, name: string): Rid {
  const { rid, type } = parseRid(stringOf(required(members, name, ''), name), name)
  if (type !== NODE_TYPE_NAME)
    throw new ProtocolError(name, `must be a node's RID (${NODE_TYPE_NAME}:…), is ${JSON.stringify(rid)}`)
  return rid
}
