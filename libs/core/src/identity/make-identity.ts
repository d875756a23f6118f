import type { KeyObject } from 'node:crypto'
import { nodeRid, publicKeyOf, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import type { NodeProfile } from '@koi-mcp/protocol'
import type { NodeIdentity } from './node-identity.ts'

export interface IdentityOptions {
  readonly name: string
  /** Absent for a partial node. */
  readonly baseUrl: string | undefined
  readonly privateKey: KeyObject
  /** RID types whose events and state this node provides. */
  readonly provides: { readonly event: readonly string[]; readonly state: readonly string[] }
}

/** The node's RID and profile as they follow from name, address and key. */
export function makeIdentity({ name, baseUrl, privateKey, provides }: IdentityOptions): NodeIdentity {
  const publicKey = publicKeyToDerBase64(publicKeyOf(privateKey))
  const profile: NodeProfile = {
    ...(baseUrl !== undefined && { base_url: baseUrl }),
    node_type: baseUrl === undefined ? 'PARTIAL' : 'FULL',
    provides: { event: [...provides.event], state: [...provides.state] },
    public_key: publicKey,
  }
  return { rid: nodeRid(name, publicKey), name, profile, privateKey }
}
