import { setImmediate as nextTurn } from 'node:timers/promises'
import { cachedBundle, searchTerms, snippetOf, storedManifest } from '@koi-mcp/core'
import type { CacheRow, Change, ListOptions, SearchOptions, SearchPage, StoredBundle } from '@koi-mcp/core'
import type { EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { PostgresConnections } from './postgres-connections.ts'

const COLUMNS = 'rid, origin, seq, manifest, contents'
const DEFAULT_LIMIT = 20

/** Reads of the knowledge cache, its search and its change log. */
export class PostgresCache {
  readonly #db: PostgresConnections

  /** Asked for in this turn of the event loop: lanes worked off side by side each look at what is cached. */
  #asked: Set<Rid> = new Set()
  #answer: Promise<Map<Rid, StoredBundle>> | undefined

  constructor(db: PostgresConnections) {
    this.#db = db
  }

  async read(rid: Rid): Promise<StoredBundle | undefined> {
    const answer = (this.#answer ??= nextTurn().then(() => this.#readAsked()))
    this.#asked.add(rid)
    return (await answer).get(rid)
  }

  async #readAsked(): Promise<Map<Rid, StoredBundle>> {
    const rids = [...this.#asked]
    this.#asked = new Set()
    this.#answer = undefined
    const rows = await this.#db.all<CacheRow>(`SELECT ${COLUMNS} FROM cache WHERE rid = ANY ($1)`, rids)
    return new Map(rows.map((row) => [row.rid, cachedBundle(row)]))
  }

  async readMany(rids: readonly Rid[]): Promise<StoredBundle[]> {
    return (await this.#inOrder<CacheRow>(COLUMNS, rids)).map(cachedBundle)
  }

  async readManifests(rids: readonly Rid[]): Promise<Manifest[]> {
    return (await this.#inOrder<{ manifest: string }>('manifest', rids)).map(({ manifest }) => storedManifest(manifest))
  }

  async listRids(options: ListOptions): Promise<Rid[]> {
    return (await this.#list<{ rid: Rid }>('rid', options)).map(({ rid }) => rid)
  }

  async listBundles(options: ListOptions): Promise<StoredBundle[]> {
    return (await this.#list<CacheRow>(COLUMNS, options)).map(cachedBundle)
  }

  async countByType(): Promise<Map<string, number>> {
    const sql = 'SELECT type, count(*) AS count FROM cache GROUP BY type ORDER BY type'
    return new Map((await this.#db.all<{ type: string; count: number }>(sql)).map(({ type, count }) => [type, count]))
  }

  /** Ranked by how often the words stand there and how near to each other, over the logarithm of the text's length and the number of its words. */
  async search(query: string, { types = [], limit = DEFAULT_LIMIT, offset = 0 }: SearchOptions): Promise<SearchPage> {
    const terms = searchTerms(query)
    if (terms.length === 0) return { total: 0, hits: [] }
    const match = terms.map(({ token, prefix }) => `'${token}'${prefix ? ':*' : ''}`).join(' & ')
    const rows = await this.#db.all<
      { total: number } & ({ rid: Rid; score: number; contents: string } | { rid: null })
    >(
      `WITH found AS MATERIALIZED (
         SELECT rid, ts_rank(words, $1::tsquery, 3) AS score FROM cache
         WHERE words @@ $1::tsquery AND (cardinality($2::text[]) = 0 OR type = ANY ($2))
       ), page AS (SELECT rid, score FROM found ORDER BY score DESC, rid LIMIT $3 OFFSET $4)
       SELECT total, page.rid, page.score, contents FROM (SELECT count(*) AS total FROM found) AS counted
         LEFT JOIN (page JOIN cache ON cache.rid = page.rid) ON true ORDER BY page.score DESC, page.rid`,
      match,
      types,
      Math.max(0, limit),
      Math.max(0, offset),
    )
    const hits = rows.filter((row) => row.rid !== null)
    return {
      total: rows[0]?.total ?? 0,
      hits: hits.map(({ rid, score, contents }) => ({ rid, score, snippet: snippetOf(contents, terms) })),
    }
  }

  async changesAfter(seq: number, limit: number): Promise<Change[]> {
    const rows = await this.#db.all<{ seq: number; rid: Rid; event_type: EventType; origin: Rid | null }>(
      'SELECT seq, rid, event_type, origin FROM changes_after($1, $2)',
      seq,
      limit,
    )
    return rows.map(({ seq, rid, event_type: eventType, origin }) =>
      origin === null ? { seq, rid, eventType } : { seq, rid, eventType, origin },
    )
  }

  async lastChange(): Promise<number> {
    return (await this.#db.get<{ last: number }>('SELECT last_change() AS last'))?.last ?? 0
  }

  #inOrder<T>(columns: string, rids: readonly Rid[]): Promise<T[]> {
    const sql = `SELECT ${columns} FROM unnest($1::text[]) WITH ORDINALITY AS wanted (wanted_rid, place)
      JOIN cache ON cache.rid = wanted_rid ORDER BY place`
    return this.#db.all<T>(sql, rids)
  }

  /** An index has the RIDs of each type in order: no more rows are read than are answered of each. */
  #list<T>(columns: string, { types = [], after = '' as Rid, limit }: ListOptions): Promise<T[]> {
    const most = limit === undefined ? null : Math.max(0, limit)
    if (types.length === 0) {
      return this.#db.all<T>(`SELECT ${columns} FROM cache WHERE rid > $1 ORDER BY rid LIMIT $2`, after, most)
    }
    return this.#db.all<T>(
      `SELECT page.* FROM (SELECT DISTINCT unnest($3::text[]) AS wanted) AS types CROSS JOIN LATERAL (
         SELECT ${columns} FROM cache WHERE type = wanted AND rid > $1 ORDER BY rid LIMIT $2
       ) AS page ORDER BY rid LIMIT $2`,
      after,
      most,
      types,
    )
  }
}
