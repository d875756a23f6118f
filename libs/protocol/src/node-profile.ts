import { contentsOf } from './contents.ts'
import type { Contents } from './contents.ts'
import { ProtocolError } from './errors.ts'
import { itemsOf, membersOf, oneOf, optional, required, stringOf } from './fields.ts'
import { parseJson } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { checkContext } from './profile-context.ts'
import { parseRidTypeName } from './rid.ts'

export const NODE_TYPES = ['FULL', 'PARTIAL'] as const

/** A full node can be called; a partial one only calls. */
export type NodeType = (typeof NODE_TYPES)[number]

/** What a node says about itself (koi-net 2.1.0, `koi_net.protocol.node`). RID types stand here by name. */
export interface NodeProfile {
  /** Where a full node takes calls; a partial one has none. */
  readonly base_url?: string
  readonly node_type: NodeType
  readonly provides: {
    /** RID types whose events it delivers. */
    readonly event: readonly string[]
    /** RID types that can be fetched from it. */
    readonly state: readonly string[]
  }
  /** Base64 of the DER (SubjectPublicKeyInfo); the node's RID holds its hash. */
  readonly public_key: string
}

const NODE_PROFILE_CONTEXT = 'orn:koi-net.context:koi-net.node'

/** A profile as the contents of its node's bundle, in the reference's order (a partial node's `base_url` is null). */
export function nodeProfileContents(profile: NodeProfile): Contents {
  return contentsOf({
    '@context': NODE_PROFILE_CONTEXT,
    base_url: profile.base_url ?? null,
    node_type: profile.node_type,
    provides: { event: profile.provides.event, state: profile.provides.state },
    public_key: profile.public_key,
  })
}

/**
 * Reads a node's profile. Stricter than the reference where the reference would later stop: a full node needs a `base_url`, and
 * every node a key.
 *
 * @throws ProtocolError
 */
export function parseNodeProfile(contents: Contents): NodeProfile {
  const members = membersOf(parseJson(contents.text), '')
  checkContext(members)
  const node_type = oneOf(required(members, 'node_type', ''), NODE_TYPES, 'node_type')
  const public_key = stringOf(required(members, 'public_key', ''), 'public_key')
  const provides = members.get('provides')
  const provided = provides === undefined ? new Map<string, JsonNode>() : membersOf(provides, 'provides')
  const lists = {
    event: ridTypeNames(provided.get('event'), 'provides.event'),
    state: ridTypeNames(provided.get('state'), 'provides.state'),
  }
  const url = optional(members, 'base_url')
  if (url === undefined) {
    if (node_type === 'FULL') throw new ProtocolError('base_url', 'is missing, and a FULL node needs one')
    return { node_type, provides: lists, public_key }
  }
  return { base_url: baseUrlOf(stringOf(url, 'base_url')), node_type, provides: lists, public_key }
}

/** A list of RID types by name; absent is empty. @throws ProtocolError */
export function ridTypeNames(node: JsonNode | undefined, path: string): readonly string[] {
  if (node === undefined) return []
  return itemsOf(node, path).map((item, index) => {
    const name = stringOf(item, `${path}[${index}]`)
    parseRidTypeName(name, `${path}[${index}]`)
    return name
  })
}

function baseUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return text
  throw new ProtocolError('base_url', `must be an http or https address, is ${JSON.stringify(text.slice(0, 200))}`)
}
