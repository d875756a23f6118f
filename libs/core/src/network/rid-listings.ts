import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Rid } from '@koi-mcp/protocol'
import type { NodeStore } from '../store/node-store.ts'

/** RIDs as the inside of a JSON array. */
export interface RidListing {
  readonly text: string
  readonly count: number
  /** Whether all of them fitted in. */
  readonly whole: boolean
}

interface Kept {
  /** The last change of the cache before the listing began. */
  readonly seq: number
  readonly listing: Promise<RidListing>
}

// The store reads a part in a few milliseconds, and other requests get their turn before the next.
const RIDS_A_PAGE = 1_000
/** Of different sets of types. */
const KEPT = 4

/**
 * Lists of all RIDs as text. The protocol cannot page them, and every node that catches up asks for the same; so the last ones are kept, each for as long as
 * nothing changes in the cache.
 */
export class RidListings {
  readonly #store: Pick<NodeStore, 'lastChange' | 'listRids'>
  readonly #kept = new Map<string, Kept>()

  constructor(store: Pick<NodeStore, 'lastChange' | 'listRids'>) {
    this.#store = store
  }

  /** @param types empty for all @param maxBytes of the text; the listing ends behind the page that goes beyond */
  async of(types: readonly string[], maxBytes: number): Promise<RidListing> {
    const seq = await this.#store.lastChange()
    const key = JSON.stringify([[...types].sort(), maxBytes])
    const kept = this.#kept.get(key)
    // One that began before the last change may have passed the place where that one belongs.
    if (kept?.seq === seq) return kept.listing
    const listing = this.#list(types, maxBytes)
    this.#keep(key, { seq, listing })
    listing.catch(() => this.#kept.delete(key))
    return listing
  }

  #keep(key: string, kept: Kept): void {
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  async #list(types: readonly string[], maxBytes: number): Promise<RidListing> {
    const parts: string[] = []
    let count = 0
    let bytes = 0
    let after: Rid | undefined
    for (;;) {
      const page = await this.#store.listRids({ types, after, limit: RIDS_A_PAGE })
      if (page.length > 0) parts.push(JSON.stringify(page).slice(1, -1))
      count += page.length
      after = page.at(-1)
      bytes += Buffer.byteLength(parts.at(-1) ?? '') + 1
      const ended = page.length < RIDS_A_PAGE
      if (ended || bytes > maxBytes) return { text: parts.join(','), count, whole: ended }
      await nextTurn()
    }
  }
}
