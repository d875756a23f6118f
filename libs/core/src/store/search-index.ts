import type { Rid } from '@koi-mcp/protocol'
import type { SearchPage } from './node-store.ts'
import { documentTokens, snippetOf } from './search-document.ts'
import { searchTerms } from './search-tokens.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

export interface SearchOptions {
  readonly types?: readonly string[]
  readonly limit?: number
  readonly offset?: number
}

const DEFAULT_LIMIT = 20

/** Full-text search on FTS5. The index holds tokens alone; contents stand in `cache` once. */
export class SearchIndex {
  readonly #db: SqliteDatabase

  constructor(db: SqliteDatabase) {
    this.#db = db
  }

  add(id: number, rid: Rid, contentsText: string): void {
    const tokens = documentTokens(rid, contentsText).join(' ')
    this.#db.run('INSERT INTO search_index (rowid, tokens) VALUES (?, ?)', id, tokens)
  }

  remove(id: number): void {
    this.#db.run('DELETE FROM search_index WHERE rowid = ?', id)
  }

  search(query: string, { types = [], limit = DEFAULT_LIMIT, offset = 0 }: SearchOptions): SearchPage {
    const terms = searchTerms(query)
    if (terms.length === 0) return { total: 0, hits: [] }
    const match = terms.map(({ token, prefix }) => (prefix ? `"${token}" *` : `"${token}"`)).join(' AND ')
    const typeList = JSON.stringify(types)
    const from = `
      FROM search_index JOIN cache ON cache.id = search_index.rowid
      WHERE search_index MATCH ?1 AND (?2 = '[]' OR cache.type IN (SELECT value FROM json_each(?2)))`
    const total = this.#db.get<{ total: number }>(`SELECT count(*) AS total ${from}`, match, typeList)?.total ?? 0
    // bm25() is the better the lower; contents are read for the page alone.
    const rows = this.#db.all<{ rid: Rid; score: number }>(
      `SELECT cache.rid, -bm25(search_index) AS score ${from} ORDER BY score DESC, cache.rid LIMIT ?3 OFFSET ?4`,
      match,
      typeList,
      Math.max(0, limit),
      Math.max(0, offset),
    )
    return { total, hits: rows.map((row) => ({ ...row, snippet: this.#snippet(row.rid, terms) })) }
  }

  #snippet(rid: Rid, terms: Parameters<typeof snippetOf>[1]): string {
    const row = this.#db.get<{ contents: string }>('SELECT contents FROM cache WHERE rid = ?', rid)
    return row === undefined ? '' : snippetOf(row.contents, terms)
  }
}
