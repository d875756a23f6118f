import { asRid, EDGE_TYPE_NAME, NODE_TYPE_NAME, parseRidTypeName, ridTypeOf } from './rid.ts'
import type { Rid } from './rid.ts'

/** A kind of RID: what a domain declares, what nodes provide and subscribe to. */
export interface RidType {
  readonly scheme: string
  readonly namespace?: string
  /** As on the wire: `orn:data-catalog.dataset`, `https`. */
  readonly name: string
  /** An RID of this type. @throws RidError for an empty reference, or one that the type's grammar refuses */
  of(reference: string): Rid
  matches(rid: Rid): boolean
}

/** @throws RidError when the name is not `scheme`, `orn:namespace` or `urn:namespace` */
export function defineRidType(name: string): RidType {
  return {
    ...parseRidTypeName(name),
    name,
    of: (reference) => asRid(`${name}:${reference}`),
    matches: (rid) => ridTypeOf(rid) === name,
  }
}

export const KOI_NET_NODE = defineRidType(NODE_TYPE_NAME)
export const KOI_NET_EDGE = defineRidType(EDGE_TYPE_NAME)
