import { isKeyOfNode, NodeKeyError, parseNodeProfile, ProtocolError, publicKeyFromDerBase64 } from '@koi-mcp/protocol'
import type { Contents, NodeProfile, Rid } from '@koi-mcp/protocol'
import type { NodeIdentity } from '../../identity/node-identity.ts'
import { addressFault } from '../../network/address-policy.ts'

/** Profiles and edges are kept in memory, each; those of real nodes have some hundred bytes. */
export const MAX_NETWORK_BYTES = 16 * 1024

/** What is wrong with contents told as those of a node, in words behind "node profile"; nothing when they may be cached. */
export function profileFault(
  rid: Rid,
  contents: Contents,
  identity: Pick<NodeIdentity, 'rid' | 'profile'>,
): string | undefined {
  const bytes = Buffer.byteLength(contents.text)
  if (bytes > MAX_NETWORK_BYTES) return `is ${bytes} bytes long, more than ${MAX_NETWORK_BYTES}`
  let profile: NodeProfile
  try {
    profile = parseNodeProfile(contents)
  } catch (error) {
    if (error instanceof ProtocolError) return `is malformed: ${error.message}`
    throw error
  }
  return keyFault(rid, profile.public_key) ?? urlFault(rid, profile.base_url, identity)
}

function keyFault(rid: Rid, publicKey: string): string | undefined {
  if (!isKeyOfNode(rid, publicKey)) return 'holds a public key that does not hash to its RID'
  try {
    publicKeyFromDerBase64(publicKey)
    return undefined
  } catch (error) {
    if (error instanceof NodeKeyError) return `holds a key that verifies nothing: ${error.message}`
    throw error
  }
}

function urlFault(rid: Rid, text: string | undefined, identity: Pick<NodeIdentity, 'rid' | 'profile'>) {
  if (text === undefined || rid === identity.rid) return undefined
  const url = new URL(text)
  // Paths are appended to it.
  if (/[?#]/.test(text)) return `names a base_url with a query or a fragment, ${text.slice(0, 200)}`
  const forbidden = addressFault(url)
  if (forbidden !== undefined) return `names a base_url that is not called: ${forbidden}`
  const own = identity.profile.base_url
  if (own !== undefined && placeOf(url) === placeOf(new URL(own))) return `claims this node's base_url ${own}`
  return undefined
}

/** Where a URL leads, in one spelling; the names of this machine count as one. */
function placeOf({ protocol, hostname, port, pathname }: URL): string {
  const host = hostname.replace(/\.$/, '')
  const isHere = host === 'localhost' || /^127(\.\d+){3}$/.test(host) || host === '[::1]' || host === '[::ffff:7f00:1]'
  return JSON.stringify([protocol, isHere ? 'localhost' : host, port, pathname.replace(/\/+$/, '')])
}
