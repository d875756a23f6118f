import { nodeNameOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

const HASH_DIGITS = 8

/** A node for people and for a label: its name, and enough of its hash that two of one name differ. */
export function peerLabel(node: Rid): string {
  return `${nodeNameOf(node)}+${node.slice(node.lastIndexOf('+') + 1).slice(0, HASH_DIGITS)}`
}
