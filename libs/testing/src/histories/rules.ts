import type { AuthorityMode, PendingArrival, StoredBundle } from '@koi-mcp/core'
import { compareTimestamps, ridTypeOf, sha256Contents } from '@koi-mcp/protocol'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import type { Surroundings } from './in-order.ts'
import type { FetchClient } from './served.ts'
import { DIGEST, NOTE, POISON, ridOf } from './world.ts'

/**
 * What becomes of notes and digests, said once more without a pipeline: a FORGET deletes; anything else counts when its contents differ from what is
 * cached and its timestamp is newer, both being those of what the source serves where the event did not bring them.
 */
export async function expectedKnowledge(
  arrivals: readonly PendingArrival[],
  { authority, client }: Surroundings,
): Promise<ReadonlyMap<Rid, Pick<StoredBundle, 'bundle' | 'origin'>>> {
  const known = new Map<Rid, Pick<StoredBundle, 'bundle' | 'origin'>>()
  for (const arrival of arrivals) {
    const { rid, source: origin } = arrival
    if (![NOTE.name, DIGEST.name].includes(ridTypeOf(rid))) continue
    const cached = known.get(rid)
    if (!mayChange(arrival, cached, authority)) continue
    if (arrival.eventType === 'FORGET') {
      known.delete(rid)
      continue
    }
    const bundle = await toldBy(arrival, cached?.bundle, client)
    if (bundle === undefined || !isNews(bundle, cached?.bundle)) continue
    if (bundle.manifest.sha256_hash !== sha256Contents(bundle.contents.value) || isPoisonous(bundle)) continue
    known.set(rid, { bundle, ...(origin && { origin }) })
  }
  return known
}

/** What the node published itself nobody else changes; and `origin`: what Alice or Carol told nobody else, and new things tells who was asked. */
function mayChange(
  { source, eventType }: PendingArrival,
  cached: Pick<StoredBundle, 'origin'> | undefined,
  authority: AuthorityMode,
): boolean {
  if (source === undefined) return true
  if (cached !== undefined && cached.origin === undefined) return false
  if (authority === 'open' || source === cached?.origin) return true
  return cached === undefined && (eventType === undefined || source === ridOf('alice'))
}

function isNews({ manifest }: Pick<Bundle, 'manifest'>, cached: Bundle | undefined): boolean {
  if (cached === undefined) return true
  const { sha256_hash, timestamp } = cached.manifest
  return manifest.sha256_hash !== sha256_hash && compareTimestamps(manifest.timestamp, timestamp) > 0
}

async function toldBy(
  { rid, source, manifest, contents }: PendingArrival,
  cached: Bundle | undefined,
  client: FetchClient,
): Promise<Bundle | undefined> {
  if (manifest !== undefined && contents !== undefined) return { manifest, contents }
  if (source === undefined) return undefined
  // News that is none by its manifest is not asked for.
  if (manifest !== undefined && !isNews({ manifest }, cached)) return undefined
  try {
    return (await client.fetchBundles(source, [rid])).bundles[0]
  } catch {
    return undefined
  }
}

/** Poison before the cache keeps a note out of it. */
function isPoisonous({ contents }: Bundle): boolean {
  const { version, note } = contents.value as { version?: number; note?: number }
  return version === POISON && note === 0
}
