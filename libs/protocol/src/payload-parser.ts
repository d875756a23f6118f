/**
 * Reading payloads that others sent. One bad event, manifest, bundle or RID never costs the rest of its list: a peer would send
 * the refused batch again for ever. Each item is therefore either read or says what is wrong with it.
 */
import { bundleFromNode } from './bundle.ts'
import type { Bundle } from './bundle.ts'
import { ProtocolError } from './errors.ts'
import { eventFromNode } from './event.ts'
import type { KoiEvent } from './event.ts'
import { itemsOf, membersOf, oneOf, required, sound, stringOf } from './fields.ts'
import type { Members } from './fields.ts'
import type { JsonNode } from './json-text.ts'
import { manifestFromNode } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { ridTypeNames } from './node-profile.ts'
import type { FetchBundles, FetchManifests, FetchRids, PayloadType, PollEvents } from './payload.ts'
import { asRid, isRid } from './rid.ts'
import type { Rid } from './rid.ts'

/** An item of a list: read, or what is wrong with it (with the RID it is about, where that could be read). */
export type Item<T> =
  | { readonly ok: T; readonly error?: undefined }
  | { readonly ok?: undefined; readonly error: ProtocolError; readonly rid?: Rid }

export interface ReceivedEvents {
  readonly type: 'events_payload'
  readonly events: readonly Item<KoiEvent>[]
}
export interface ReceivedRids {
  readonly type: 'rids_payload'
  readonly rids: readonly Item<Rid>[]
}
export interface ReceivedManifests {
  readonly type: 'manifests_payload'
  readonly manifests: readonly Item<Manifest>[]
  readonly not_found: readonly Item<Rid>[]
}
export interface ReceivedBundles {
  readonly type: 'bundles_payload'
  readonly bundles: readonly Item<Bundle>[]
  readonly not_found: readonly Item<Rid>[]
  readonly deferred: readonly Item<Rid>[]
}
export interface ReceivedFetchManifests extends Omit<FetchManifests, 'rids'> {
  readonly rids: readonly Item<Rid>[]
}
export interface ReceivedFetchBundles extends Omit<FetchBundles, 'rids'> {
  readonly rids: readonly Item<Rid>[]
}

/** Every payload as it is read, by type. */
export interface ReceivedPayloads {
  events_payload: ReceivedEvents
  poll_events: PollEvents
  fetch_rids: FetchRids
  fetch_manifests: ReceivedFetchManifests
  fetch_bundles: ReceivedFetchBundles
  rids_payload: ReceivedRids
  manifests_payload: ReceivedManifests
  bundles_payload: ReceivedBundles
}

export interface PayloadLimits {
  /** A list with more items is refused as a whole; any number unless told otherwise. */
  readonly maxItems?: number
}

/**
 * Reads the payload of an envelope as the type that its path calls for (`ENDPOINTS`).
 *
 * @throws ProtocolError when the payload itself, not an item of its lists, is not what it should be
 */
export function parsePayload<T extends PayloadType>(
  payload: JsonNode,
  type: T,
  limits: PayloadLimits = {},
): ReceivedPayloads[T] {
  const members = membersOf(payload, 'payload')
  checkLists(members, limits.maxItems ?? Infinity)
  // The reference lets an absent type fall back to its default.
  const given = members.get('type')
  if (given !== undefined) oneOf(given, [type], 'payload.type')
  return PARSERS[type](members)
}

const PARSERS: { readonly [T in PayloadType]: (members: Members) => ReceivedPayloads[T] } = {
  events_payload: (members) => ({
    type: 'events_payload',
    events: items(required(members, 'events', 'payload'), 'payload.events', eventFromNode),
  }),
  poll_events: (members) => ({ type: 'poll_events', limit: limitOf(members.get('limit')) }),
  fetch_rids: (members) => ({ type: 'fetch_rids', rid_types: ridTypes(members) }),
  fetch_manifests: (members) => ({
    type: 'fetch_manifests',
    rid_types: ridTypes(members),
    rids: rids(members, 'rids'),
  }),
  fetch_bundles: (members) => {
    required(members, 'rids', 'payload')
    return { type: 'fetch_bundles', rids: rids(members, 'rids') }
  },
  rids_payload: (members) => {
    required(members, 'rids', 'payload')
    return { type: 'rids_payload', rids: rids(members, 'rids') }
  },
  manifests_payload: (members) => ({
    type: 'manifests_payload',
    manifests: items(required(members, 'manifests', 'payload'), 'payload.manifests', manifestFromNode),
    not_found: rids(members, 'not_found'),
  }),
  bundles_payload: (members) => ({
    type: 'bundles_payload',
    bundles: items(required(members, 'bundles', 'payload'), 'payload.bundles', bundleFromNode),
    not_found: rids(members, 'not_found'),
    deferred: rids(members, 'deferred'),
  }),
}

function checkLists(members: Members, maxItems: number): void {
  for (const [name, { items = [] }] of members) {
    if (items.length <= maxItems) continue
    const problem = `has ${items.length} items, and at most ${maxItems} are taken at once`
    throw new ProtocolError(`payload.${name}`, problem, { code: 'too_many' })
  }
}

function items<T>(node: JsonNode, path: string, read: (item: JsonNode, path: string) => T): readonly Item<T>[] {
  const { stackTraceLimit } = Error
  // A list of nothing but nonsense is an error an item: where in this program it was found is no use, and most of what it costs.
  Error.stackTraceLimit = 0
  try {
    return itemsOf(node, path).map((item, index) => itemOf(item, `${path}[${index}]`, read))
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

function itemOf<T>(item: JsonNode, path: string, read: (item: JsonNode, path: string) => T): Item<T> {
  try {
    return { ok: read(sound(item, path), path) }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const rid = ridIn(item)
    return rid === undefined ? { error } : { error, rid }
  }
}

function rids(members: Members, name: string): readonly Item<Rid>[] {
  const node = members.get(name)
  if (node === undefined) return []
  return items(node, `payload.${name}`, (item, path) => asRid(stringOf(item, path), path))
}

function ridTypes(members: Members): readonly string[] {
  return ridTypeNames(members.get('rid_types'), 'payload.rid_types')
}

function limitOf(node: JsonNode | undefined): number {
  const limit = node === undefined ? 0 : node.value
  if (Number.isSafeInteger(limit) && (limit as number) >= 0) return limit as number
  throw new ProtocolError('payload.limit', `must be a whole number, 0 for all; is ${node?.text.slice(0, 40)}`)
}

/** The RID that a bad item is about: its own, or its manifest's. */
function ridIn(item: JsonNode): Rid | undefined {
  const value = item.members?.get('rid')?.value ?? item.members?.get('manifest')?.members?.get('rid')?.value
  return typeof value === 'string' && isRid(value) ? value : undefined
}
