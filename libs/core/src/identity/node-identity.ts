import type { KeyObject } from 'node:crypto'
import type { NodeProfile, Rid } from '@koi-mcp/protocol'

/** Who this node is: one key, one RID, one profile, whatever number of processes it runs as. */
export interface NodeIdentity {
  readonly rid: Rid
  readonly name: string
  readonly profile: NodeProfile
  readonly privateKey: KeyObject
}
