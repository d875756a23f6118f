import type { Rid } from '@koi-mcp/protocol'
import type { NodeGraph } from '../graph/node-graph.ts'

/** Where a node is called. */
export interface PeerAddress {
  /** Its `base_url`; the endpoints' paths come behind it. */
  readonly url: string
  /** Base64 of the DER, as in its profile; absent for a first contact of which nothing but its RID and URL is known yet. */
  readonly publicKey?: string | undefined
}

/** The address of a full node that we know; `undefined` for strangers and partial nodes. */
export type AddressBook = (node: Rid) => PeerAddress | undefined

/**
 * Addresses from the profiles in the graph. The first contact is called where it was found in this run: its profile may be from before it moved, and
 * the new one could not reach us, for we may have moved too.
 */
export function addressBook(
  graph: Pick<NodeGraph, 'profile'>,
  firstContact: () => (PeerAddress & { readonly rid: Rid }) | undefined = () => undefined,
): AddressBook {
  return (node) => {
    const profile = graph.profile(node)
    const contact = firstContact()
    if (contact?.rid === node) return { url: contact.url, publicKey: contact.publicKey ?? profile?.public_key }
    if (profile?.node_type !== 'FULL' || profile.base_url === undefined) return undefined
    return { url: profile.base_url, publicKey: profile.public_key }
  }
}
