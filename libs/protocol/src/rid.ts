/**
 * RIDs, the names of everything in a KOI network (rid-lib 3.3.0, `rid_lib.utils.parse_rid_string`). An RID is compared and passed
 * on byte for byte; nothing here folds case, decodes or normalises.
 *
 *     rid        = scheme ":" reference                     ; any scheme but orn and urn
 *                / ( "orn" / "urn" ) ":" namespace ":" reference
 *     scheme     = 1*( any character but ":" and NUL )
 *     namespace  = 1*( any character but ":" and NUL )
 *     reference  = 1*( any character but NUL )
 *
 *     type       = scheme / ( "orn" / "urn" ) ":" namespace ; the RID without its reference
 */
import { createHash } from 'node:crypto'

import { ProtocolError } from './errors.ts'

declare const ridBrand: unique symbol

/** Text that has been parsed as an RID. Make one with `asRid`, `parseRid` or a `RidType`. */
export type Rid = string & { readonly [ridBrand]: 'Rid' }

export interface RidParts {
  readonly rid: Rid
  readonly scheme: string
  /** Of `orn` and `urn` RIDs alone. */
  readonly namespace?: string
  readonly reference: string
  /** The name of the RID's type: `orn:koi-net.node`, `https`. */
  readonly type: string
}

/** Text that is no RID, or no RID type. */
export class RidError extends ProtocolError {}

/** The reference keeps a bundle in a file named by the base64 of its RID; a longer RID ends it (255 bytes of name). */
export const REFERENCE_MAX_RID_BYTES = 187

export const NODE_TYPE_NAME = 'orn:koi-net.node'
export const EDGE_TYPE_NAME = 'orn:koi-net.edge'

/** Namespaces that collide with base classes of rid-lib once it has capitalised and joined their parts: it cannot print them. */
const UNPRINTABLE_CLASSES = new Set(['RID', 'DefaultType', 'ORN', 'URN'])

/** @throws RidError naming `path` and what is wrong */
export function parseRid(text: string, path = ''): RidParts {
  checkCharacters(text, path)
  const first = text.indexOf(':')
  if (first < 0) throw ridError(path, text, 'is no RID: it has no ":" (expected scheme:reference)')
  const scheme = text.slice(0, first)
  if (scheme === '') throw ridError(path, text, 'is no RID: its scheme is empty')
  if (!takesNamespace(scheme)) {
    const reference = text.slice(first + 1)
    if (reference === '') throw ridError(path, text, 'is no RID: its reference is empty')
    return { rid: text as Rid, scheme, reference, type: scheme }
  }
  const second = text.indexOf(':', first + 1)
  if (second < 0) throw ridError(path, text, `is no RID: after ${scheme}: it needs namespace:reference`)
  const namespace = text.slice(first + 1, second)
  checkNamespace(namespace, text, path)
  const reference = text.slice(second + 1)
  if (reference === '') throw ridError(path, text, 'is no RID: its reference is empty')
  const type = text.slice(0, second)
  if (type === NODE_TYPE_NAME && reference.split('+').length !== 2) {
    throw ridError(path, text, 'is no node RID: expected <name>+<hash> with exactly one "+"')
  }
  return { rid: text as Rid, scheme, namespace, reference, type }
}

/** Checks that text is an RID. @throws RidError */
export function asRid(text: string, path = ''): Rid {
  return parseRid(text, path).rid
}

export function isRid(text: string): text is Rid {
  try {
    parseRid(text)
    return true
  } catch {
    return false
  }
}

/** The name of an RID's type, as in `orn:koi-net.node`. */
export function ridTypeOf(rid: Rid): string {
  const first = rid.indexOf(':')
  return takesNamespace(rid.slice(0, first)) ? rid.slice(0, rid.indexOf(':', first + 1)) : rid.slice(0, first)
}

/** What stands after the type. */
export function referenceOf(rid: Rid): string {
  return rid.slice(ridTypeOf(rid).length + 1)
}

/** The RID of the edge by which `source` serves `target` (koi-net, `generate_edge_bundle`). */
export function edgeRid(source: Rid, target: Rid): Rid {
  return asRid(`${EDGE_TYPE_NAME}:${sha256Hex(source + target)}`)
}

/**
 * The RID of a node of that name and key (koi-net, `PublicKey.to_node_rid`): the hash is over the base64 text of the key's DER.
 *
 * @throws RidError for a name with "+" in it
 */
export function nodeRid(name: string, publicKeyBase64: string): Rid {
  if (name === '') throw new RidError('name', 'a node needs a name')
  return asRid(`${NODE_TYPE_NAME}:${name}+${sha256Hex(publicKeyBase64)}`, 'name')
}

/** Whether a node's RID and its public key (base64 of the DER) belong together. */
export function isKeyOfNode(node: Rid, publicKeyBase64: string): boolean {
  return ridTypeOf(node) === NODE_TYPE_NAME && node.slice(node.indexOf('+') + 1) === sha256Hex(publicKeyBase64)
}

/** The name part of a node's RID. */
export function nodeNameOf(node: Rid): string {
  return referenceOf(node).slice(0, referenceOf(node).indexOf('+'))
}

/** Splits the name of an RID type. @throws RidError */
export function parseRidTypeName(name: string, path = ''): { readonly scheme: string; readonly namespace?: string } {
  checkCharacters(name, path)
  const colon = name.indexOf(':')
  const scheme = colon < 0 ? name : name.slice(0, colon)
  if (scheme === '') throw ridError(path, name, 'is no RID type: its scheme is empty')
  if (!takesNamespace(scheme)) {
    if (colon >= 0) throw ridError(path, name, 'is no RID type: only orn and urn take a namespace')
    return { scheme }
  }
  const namespace = colon < 0 ? '' : name.slice(colon + 1)
  if (namespace.includes(':')) throw ridError(path, name, 'is no RID type: it has a reference, or more than two parts')
  checkNamespace(namespace, name, path)
  return { scheme, namespace }
}

export function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

function takesNamespace(scheme: string): boolean {
  return scheme === 'orn' || scheme === 'urn'
}

function checkCharacters(text: string, path: string): void {
  if (text.includes('\0')) throw ridError(path, text, 'has a NUL in it')
  if (!text.isWellFormed()) throw ridError(path, text, 'has half a surrogate pair in it')
}

function checkNamespace(namespace: string, text: string, path: string): void {
  if (namespace === '') throw ridError(path, text, 'has an empty namespace')
  const className = namespace
    .split('.')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('')
  if (UNPRINTABLE_CLASSES.has(className))
    throw ridError(path, text, `has a namespace that the reference cannot print: ${namespace}`)
}

function ridError(path: string, text: string, problem: string): RidError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return new RidError(path, `${JSON.stringify(shown)} ${problem}`)
}
