import type { FollowKnowledge, KnowledgeReader, StoredBundle } from '@koi-mcp/core'
import { isRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

const SCAN_PAGE = 1000

/**
 * Finds the bundle that a client's URI names. A URI is an RID byte for byte; but some clients pass URIs through a URL
 * parser, which percent-encodes a part of their characters. So: the exact RID first, then the one RID that reads the
 * same after percent-decoding; two of those are none.
 */
export class RidLookup {
  readonly #knowledge: KnowledgeReader
  /** The RIDs with percent escapes of their own, by what they decode to; all others decode to themselves. */
  readonly #escaped = new Map<string, Set<Rid>>()
  readonly #unfollow: () => void
  #scan: Promise<void> | undefined

  constructor(knowledge: KnowledgeReader, changes: FollowKnowledge) {
    this.#knowledge = knowledge
    this.#unfollow = changes(({ rid, eventType }) => {
      if (eventType === 'FORGET') this.#remove(rid)
      else this.#add(rid)
    })
  }

  async find(uri: string): Promise<StoredBundle | undefined> {
    const exact = isRid(uri) ? await this.#knowledge.read(uri) : undefined
    if (exact !== undefined) return exact
    await this.#scanned()
    const decoded = percentDecode(uri)
    const candidates = new Set(this.#escaped.get(decoded))
    if (isRid(decoded)) candidates.add(decoded)
    if (candidates.size === 0) return undefined
    const found = await this.#knowledge.readMany([...candidates])
    return found.length === 1 ? found[0] : undefined
  }

  /** The RID that changes of this URI's bundle will come under: the URI itself when nothing is known of it. */
  async nameOf(uri: string): Promise<string> {
    return (await this.find(uri))?.rid ?? uri
  }

  close(): void {
    this.#unfollow()
    this.#escaped.clear()
  }

  /** Reads all RIDs once, at the first URI that is no RID we know; changes keep the index up from the start. */
  async #scanned(): Promise<void> {
    this.#scan ??= this.#readAll().catch((error: unknown) => {
      this.#scan = undefined
      throw error
    })
    await this.#scan
  }

  async #readAll(): Promise<void> {
    let after: Rid | undefined
    do {
      const rids = await this.#knowledge.listRids({ after, limit: SCAN_PAGE })
      for (const rid of rids) this.#add(rid)
      after = rids.length < SCAN_PAGE ? undefined : rids.at(-1)
    } while (after !== undefined)
  }

  // An RID forgotten while the scan reads may stay in the index; `find` reads what it found, so that does no harm.
  #add(rid: Rid): void {
    const decoded = percentDecode(rid)
    if (decoded === rid) return
    const same = this.#escaped.get(decoded)
    if (same === undefined) this.#escaped.set(decoded, new Set([rid]))
    else same.add(rid)
  }

  #remove(rid: Rid): void {
    const decoded = percentDecode(rid)
    const same = this.#escaped.get(decoded)
    if (same?.delete(rid) === true && same.size === 0) this.#escaped.delete(decoded)
  }
}

/** Decodes each run of percent escapes that is UTF-8 and leaves everything else, a lone `%` too, as it is. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      return run
    }
  })
}
