import { setImmediate as nextTurn } from 'node:timers/promises'
import { bundleText, ridTypeOf } from '@koi-mcp/protocol'
import type {
  Bundle,
  BundlesPayload,
  FetchRids,
  Item,
  Manifest,
  ManifestsPayload,
  ReceivedFetchBundles,
  ReceivedFetchManifests,
  Rid,
} from '@koi-mcp/protocol'
import type { ServiceContext } from './request-handler.ts'
import { RidListings } from './rid-listings.ts'

// The store reads a part in a few milliseconds, and other requests get their turn before the next.
const RIDS_A_PAGE = 1_000
const MANIFESTS_AT_ONCE = 200
const BUNDLES_AT_ONCE = 20

/** The payload with the cached RIDs of the types, or all. What is listed here is served, contents and all. */
export async function serveRids({ rid_types }: FetchRids, context: ServiceContext): Promise<string> {
  const { store, listings = new RidListings(store), limits, log, source, peers } = context
  const types = peers.among(source, rid_types)
  if (types === undefined) return '{"type":"rids_payload","rids":[]}'
  const { text, count, whole } = await listings.of(types, limits.maxListBytes)
  if (!whole) log.warn('left RIDs out of a reply: there are more than one reply holds', { peer: source, count })
  return `{"type":"rids_payload","rids":[${text}]}`
}

/** Manifests of the RIDs asked for; without RIDs, of all that are cached of the types, or of all. */
export async function serveManifests(
  request: ReceivedFetchManifests,
  context: ServiceContext,
): Promise<ManifestsPayload> {
  const { store, limits, log, source, peers } = context
  const told = (rid: Rid): boolean => peers.allows(source, ridTypeOf(rid))
  const asked = distinct(request.rids)
  const rids = request.rids.length > 0 ? asked : await listed(request.rid_types, context)
  const manifests: Manifest[] = []
  const not_found: Rid[] = []
  let bytes = 0
  for (const chunk of chunks(rids, MANIFESTS_AT_ONCE)) {
    const found = new Map((await store.readManifests(chunk.filter(told))).map((manifest) => [manifest.rid, manifest]))
    for (const rid of chunk) {
      const manifest = found.get(rid)
      if (manifest === undefined) {
        // Gone between listing and reading: it was not asked for by name.
        if (request.rids.length > 0) not_found.push(rid)
        continue
      }
      manifests.push(manifest)
      bytes += Buffer.byteLength(manifest.text)
    }
    await nextTurn()
    if (bytes <= limits.maxListBytes) continue
    log.warn('left manifests out of a reply: there are more than one reply holds', {
      peer: source,
      count: manifests.length,
    })
    break
  }
  return { type: 'manifests_payload', manifests, not_found }
}

/** Bundles in the order asked, at least one; those beyond `maxBundleBytes` are named as `deferred`, to be asked for again. */
export async function serveBundles(
  request: ReceivedFetchBundles,
  { store, limits, source, peers }: ServiceContext,
): Promise<BundlesPayload> {
  const told = (rid: Rid): boolean => peers.allows(source, ridTypeOf(rid))
  const bundles: Bundle[] = []
  const not_found: Rid[] = []
  const deferred: Rid[] = []
  let bytes = 0
  for (const chunk of chunks(distinct(request.rids), BUNDLES_AT_ONCE)) {
    if (deferred.length > 0) {
      deferred.push(...chunk)
      continue
    }
    const found = new Map((await store.readMany(chunk.filter(told))).map(({ rid, bundle }) => [rid, bundle]))
    for (const rid of chunk) {
      const bundle = found.get(rid)
      if (bundle === undefined) {
        not_found.push(rid)
        continue
      }
      bytes += Buffer.byteLength(bundleText(bundle))
      if (bundles.length > 0 && bytes > limits.maxBundleBytes) deferred.push(rid)
      else bundles.push(bundle)
    }
    await nextTurn()
  }
  return { type: 'bundles_payload', bundles, not_found, deferred }
}

async function listed(
  asked: readonly string[],
  { store, limits, log, source, peers }: ServiceContext,
): Promise<readonly Rid[]> {
  const types = peers.among(source, asked)
  if (types === undefined) return []
  const rids: Rid[] = []
  let bytes = 0
  let after: Rid | undefined
  for (;;) {
    const page = await store.listRids({ types, after, limit: RIDS_A_PAGE })
    rids.push(...page)
    after = page.at(-1)
    if (page.length < RIDS_A_PAGE) return rids
    bytes += page.reduce((sum, rid) => sum + Buffer.byteLength(rid) + 3, 0)
    if (bytes > limits.maxListBytes) {
      log.warn('left RIDs out of a reply: there are more than one reply holds', { peer: source, count: rids.length })
      return rids
    }
    await nextTurn()
  }
}

/** The RIDs that could be read, each once: asking for one a thousand times is no reason to send it so often. */
function distinct(items: readonly Item<Rid>[]): readonly Rid[] {
  return [...new Set(items.flatMap(({ ok }) => (ok === undefined ? [] : [ok])))]
}

export function* chunks<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}
