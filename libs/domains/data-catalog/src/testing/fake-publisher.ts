import type { KnowledgeReader, ListOptions, Shares, StoredBundle } from '@koi-mcp/core'
import { WholeSource } from '@koi-mcp/core'
import { contentsOf, generateBundle, referenceOf, ridTypeOf } from '@koi-mcp/protocol'
import type { JsonObject, Rid } from '@koi-mcp/protocol'

/** A publisher (of a `FolderSource`): a node that knows at once what is published to it, and notes what changed: `+` new, `~` updated, `-` forgotten. */
export class FakePublisher {
  readonly bundles = new Map<Rid, StoredBundle>()
  readonly log: string[] = []
  failing = false

  publish({ rid, contents }: { rid: Rid; contents: object }): Promise<void> {
    if (this.failing) return Promise.reject(new Error('disk full'))
    const bundle = generateBundle(rid, contentsOf(contents), '2026-01-01T00:00:00.000000Z')
    const before = this.bundles.get(rid)
    if (before?.bundle.manifest.sha256_hash === bundle.manifest.sha256_hash) return Promise.resolve()
    this.log.push(`${before === undefined ? '+' : '~'} ${short(rid)}`)
    this.bundles.set(rid, { rid, bundle, seq: this.log.length })
    return Promise.resolve()
  }

  forget(rid: Rid): Promise<void> {
    if (this.bundles.delete(rid)) this.log.push(`- ${short(rid)}`)
    return Promise.resolve()
  }

  /** Knowledge of another node. */
  receive(rid: Rid, contents: object, origin: Rid): void {
    const bundle = generateBundle(rid, contentsOf(contents), '2026-01-01T00:00:00.000000Z')
    this.bundles.set(rid, { rid, bundle, seq: 0, origin })
  }

  /** What is published of datasets since last asked, without schemas. */
  takeLog(): string[] {
    return this.log.splice(0).filter((line) => !line.includes('schema:'))
  }

  contents(rid: Rid): JsonObject | undefined {
    return this.bundles.get(rid)?.bundle.contents.value
  }

  rids(type: string): string[] {
    return [...this.bundles.keys()]
      .filter((rid) => ridTypeOf(rid) === type)
      .map(referenceOf)
      .sort()
  }

  divide(_work: string): Shares {
    return new WholeSource()
  }

  readonly knowledge: KnowledgeReader = {
    read: (rid) => Promise.resolve(this.bundles.get(rid)),
    readMany: (rids) => Promise.resolve(rids.flatMap((rid) => this.bundles.get(rid) ?? [])),
    listBundles: (options) => Promise.resolve(this.#list(options)),
    listRids: (options) => Promise.resolve(this.#list(options).map(({ rid }) => rid)),
    countByType: () => Promise.resolve(new Map()),
    search: (query, { types = [], limit = 10, offset = 0 } = {}) => {
      const words = query.toLowerCase().split(/\W+/).filter(Boolean)
      const hits = this.#list({ types, limit: Infinity }).filter(({ bundle }) =>
        words.every((word) => bundle.contents.text.toLowerCase().includes(word)),
      )
      const page = hits.slice(offset, offset + limit).map(({ rid }) => ({ rid, score: 1, snippet: '' }))
      return Promise.resolve({ total: hits.length, hits: words.length === 0 ? [] : page })
    },
  }

  #list({ types = [], after, limit = 100 }: ListOptions = {}): StoredBundle[] {
    return [...this.bundles.values()]
      .filter(({ rid }) => types.length === 0 || types.includes(ridTypeOf(rid)))
      .filter(({ rid }) => after === undefined || Buffer.compare(Buffer.from(rid), Buffer.from(after)) > 0)
      .sort((a, b) => Buffer.compare(Buffer.from(a.rid), Buffer.from(b.rid)))
      .slice(0, limit)
  }
}

function short(rid: Rid): string {
  return rid.replace('orn:data-catalog.dataset:', '').replace('orn:data-catalog.', '')
}
