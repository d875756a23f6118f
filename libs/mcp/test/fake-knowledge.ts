import type {
  FollowKnowledge,
  KnowledgeChange,
  KnowledgeReader,
  ListOptions,
  SearchPage,
  StoredBundle,
} from '@koi-mcp/core'
import { asRid, generateBundle, ridTypeOf, storedContents } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

export const TIMESTAMP = '2026-11-23T08:40:55.012000Z'

/** A node's knowledge in memory: what a store promises of order and paging, and changes as they are told. */
export class FakeKnowledge implements KnowledgeReader {
  readonly #bundles = new Map<Rid, StoredBundle>()
  readonly #listeners = new Set<(change: KnowledgeChange) => void>()
  #seq = 0
  /** Set to make every read fail. */
  broken: Error | undefined

  readonly changes: FollowKnowledge = (listener) => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  get followers(): number {
    return this.#listeners.size
  }

  put(name: string, contents: object | string, origin?: string): StoredBundle {
    const rid = asRid(name)
    const text = typeof contents === 'string' ? contents : JSON.stringify(contents)
    const eventType = this.#bundles.has(rid) ? 'UPDATE' : 'NEW'
    const bundle = generateBundle(rid, storedContents(text), TIMESTAMP)
    const entity = { rid, bundle, seq: ++this.#seq, ...(origin !== undefined && { origin: asRid(origin) }) }
    this.#bundles.set(rid, entity)
    this.#tell({ seq: this.#seq, rid, eventType })
    return entity
  }

  forget(name: string): void {
    const rid = asRid(name)
    if (!this.#bundles.delete(rid)) throw new Error(`${name} is not known`)
    this.#tell({ seq: ++this.#seq, rid, eventType: 'FORGET' })
  }

  read(rid: Rid): Promise<StoredBundle | undefined> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    return Promise.resolve(this.#bundles.get(rid))
  }

  async readMany(rids: readonly Rid[]): Promise<readonly StoredBundle[]> {
    const found = await Promise.all(rids.map((rid) => this.read(rid)))
    return found.filter((entity) => entity !== undefined)
  }

  async listRids(options?: ListOptions): Promise<readonly Rid[]> {
    return (await this.listBundles(options)).map(({ rid }) => rid)
  }

  listBundles({ types = [], after, limit }: ListOptions = {}): Promise<readonly StoredBundle[]> {
    if (this.broken !== undefined) return Promise.reject(this.broken)
    const all = [...this.#bundles.values()]
      .filter(({ rid }) => types.length === 0 || types.includes(ridTypeOf(rid)))
      .filter(({ rid }) => after === undefined || inBytes(rid, after) > 0)
      .toSorted((a, b) => inBytes(a.rid, b.rid))
    return Promise.resolve(limit === undefined ? all : all.slice(0, limit))
  }

  async countByType(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>()
    for (const rid of await this.listRids()) counts.set(ridTypeOf(rid), (counts.get(ridTypeOf(rid)) ?? 0) + 1)
    return counts
  }

  async search(query: string, options: { types?: readonly string[]; limit?: number } = {}): Promise<SearchPage> {
    const listed = await this.listBundles({ types: options.types })
    const found = listed.filter(({ rid, bundle }) => `${rid} ${bundle.contents.text}`.includes(query))
    const hits = found.slice(0, options.limit ?? 20).map(({ rid }) => ({ rid, score: 1, snippet: `…${query}…` }))
    return { total: found.length, hits }
  }

  #tell(change: KnowledgeChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}

function inBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
