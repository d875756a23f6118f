import { formatTimestamp, generateManifest, parseTimestamp } from '@koi-mcp/protocol'
import type { Manifest } from '@koi-mcp/protocol'
import type { NewArrival } from './node-store.ts'
import { storedManifest } from './stored-rows.ts'

/** What is known of an RID when something of our own about it is stamped. */
export interface KnownStamp {
  /** Milliseconds since the epoch. */
  readonly now: number
  /** The last one remembered, in microseconds. */
  readonly last: number | undefined
  /** The text of the manifest that is cached: of a node whose clock may be ahead, such as an edge that it proposed. Our word about it comes after. */
  readonly cached: string | undefined
}

/**
 * The manifest that an arrival of our own gets, and the stamp to remember for its RID, in microseconds. A manifest that our own knowledge
 * already has counts as a stamp: the next one is later than it.
 */
export function stampOwn(
  { rid, eventType, manifest, contents }: NewArrival,
  { now, last = 0, cached }: KnownStamp,
): { manifest?: Manifest | undefined; micros?: number } {
  if (eventType === 'FORGET') return { manifest }
  if (manifest !== undefined) return { manifest, micros: Math.max(microsOfManifest(manifest), last) }
  if (contents === undefined) return {}
  const known = Math.max(last, cached === undefined ? 0 : microsOfManifest(storedManifest(cached)))
  const micros = Math.max(Math.trunc(now * 1000), known + 1)
  return { manifest: generateManifest(rid, contents, formatTimestamp(BigInt(micros))), micros }
}

function microsOfManifest({ timestamp }: Manifest): number {
  return Number(parseTimestamp(timestamp))
}
