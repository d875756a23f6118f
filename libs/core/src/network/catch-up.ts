import { compareTimestamps, ridTypeOf } from '@koi-mcp/protocol'
import type { Bundle, Manifest, Rid } from '@koi-mcp/protocol'
import type { TimeToLive } from '../knowledge/time-to-live.ts'
import type { Logger } from '../logger.ts'
import { laneOf } from '../store/lanes.ts'
import { NETWORK_LANE } from '../store/node-store.ts'
import type { NamedLease, NewArrival, NodeStore } from '../store/node-store.ts'
import { problemOf } from './event-arrivals.ts'
import type { PeerClient } from './peer-client.ts'
import { chunks } from './serve-fetch.ts'

export interface CatchUpOptions {
  readonly self: Rid
  readonly client: Pick<PeerClient, 'fetchRids' | 'fetchManifests' | 'fetchBundles'>
  readonly store: Pick<NodeStore, 'accept' | 'readManifests'>
  readonly log: Logger
  readonly maxRidBytes?: number | undefined
  /** The lease by which this process does it for all of its node; nothing is taken in when that has passed to another. @throws LeaseLostError */
  readonly under?: (() => NamedLease) | undefined
  /** What is too old is not fetched. */
  readonly ttl?: Pick<TimeToLive, 'hasExpired'> | undefined
}

const RIDS_AT_ONCE = 200
const BUNDLES_AT_ONCE = 50

/**
 * Brings in what another node knows of some types and this one does not, or not as new: its RIDs, then manifests of those, then the bundles that are
 * missing here, a chunk at a time. What is cached already costs a manifest.
 *
 * @param ridTypes names of types; empty = all
 * @returns how many bundles were accepted into the inbox
 * @throws PeerError, LeaseLostError
 */
export async function catchUp(
  node: Rid,
  ridTypes: readonly string[],
  options: CatchUpOptions,
  signal: AbortSignal,
): Promise<number> {
  const { client, log } = options
  const listed = await client.fetchRids(node, ridTypes)
  const asked = [...new Set(listed)].filter((rid) => ridTypes.length === 0 || ridTypes.includes(ridTypeOf(rid)))
  const wanted = asked.filter((rid) => problemOf(rid, node, options) === undefined)
  const leftOut = asked.find((rid) => rid !== options.self && problemOf(rid, node, options) !== undefined)
  if (leftOut !== undefined) {
    const fields = { peer: node, rid: leftOut.slice(0, 300), error: problemOf(leftOut, node, options)?.text }
    log.warn('left out of catching up', { ...fields, count: asked.length - wanted.length })
  }
  let accepted = 0
  for (const chunk of chunks(wanted, RIDS_AT_ONCE)) {
    if (signal.aborted) break
    const missing = await newerThere(node, chunk, options)
    for (const part of chunks(missing, BUNDLES_AT_ONCE)) {
      if (signal.aborted) break
      accepted += await fetchInto(node, part, options, signal)
    }
  }
  log.info('caught up', { peer: node, listed: listed.length, count: accepted })
  return accepted
}

/** Those of the RIDs that are not cached here, or that the node has another and newer state of. */
async function newerThere(
  node: Rid,
  rids: readonly Rid[],
  { client, store, ttl }: CatchUpOptions,
): Promise<readonly Rid[]> {
  const { manifests } = await client.fetchManifests(node, { rids })
  const here = new Map((await store.readManifests(rids)).map((manifest) => [manifest.rid, manifest]))
  const asked = new Set(rids)
  const newer = manifests.filter(
    (manifest) =>
      asked.has(manifest.rid) && ttl?.hasExpired(manifest) !== true && isNewer(manifest, here.get(manifest.rid)),
  )
  return [...new Set(newer.map(({ rid }) => rid))]
}

function isNewer(there: Manifest, here: Manifest | undefined): boolean {
  if (here === undefined) return true
  return here.sha256_hash !== there.sha256_hash && compareTimestamps(there.timestamp, here.timestamp) > 0
}

/** Fetches bundles and accepts them; what the node defers is asked for again, for as long as each reply brings something. */
async function fetchInto(
  node: Rid,
  rids: readonly Rid[],
  options: CatchUpOptions,
  signal: AbortSignal,
): Promise<number> {
  const { client } = options
  let accepted = 0
  let asked = new Set(rids)
  while (asked.size > 0 && !signal.aborted) {
    const reply = await client.fetchBundles(node, [...asked])
    const bundles = distinctBundles(reply.bundles).filter(({ manifest }) => asked.has(manifest.rid))
    if (bundles.length === 0) break
    await takeIn(
      bundles.map(({ manifest, contents }) => ({ rid: manifest.rid, manifest, contents, source: node })),
      options,
    )
    accepted += bundles.length
    const got = new Set(bundles.map(({ manifest }) => manifest.rid))
    await forgetGone(node, [...got], options)
    asked = new Set(reply.deferred.filter((rid) => asked.has(rid) && !got.has(rid)))
  }
  return accepted
}

/**
 * A FORGET that overtook the reply with its bundle found nothing here to forget, and the bundle behind it would stay for good: what the node does
 * not have any more is forgotten now. Not so nodes and edges: of those a NEW follows the FORGET of every handshake, and may be here already.
 */
async function forgetGone(node: Rid, rids: readonly Rid[], options: CatchUpOptions): Promise<void> {
  const knowledge = rids.filter((rid) => laneOf(rid) !== NETWORK_LANE)
  if (knowledge.length === 0) return
  const { notFound } = await options.client.fetchManifests(node, { rids: knowledge })
  const gone = [...new Set(notFound)].filter((rid) => knowledge.includes(rid))
  if (gone.length > 0)
    await takeIn(
      gone.map((rid) => ({ rid, eventType: 'FORGET', source: node })),
      options,
    )
}

async function takeIn(arrivals: readonly NewArrival[], { store, under }: CatchUpOptions): Promise<void> {
  await store.accept(arrivals, undefined, under?.())
}

function distinctBundles(bundles: readonly Bundle[]): readonly Bundle[] {
  return [...new Map(bundles.map((bundle) => [bundle.manifest.rid, bundle])).values()]
}
