import { ridTypeOf } from '@koi-mcp/protocol'
import type { Bundle, EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { ChangeLog } from './change-log.ts'
import type { Wake } from './group-commit.ts'
import type { AppliedChange, CacheChange, ListOptions, StoredBundle } from './node-store.ts'
import type { SearchIndex } from './search-index.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { cachedBundle, storedBundle, storedManifest } from './stored-rows.ts'
import type { CacheRow } from './stored-rows.ts'

/** The knowledge cache; change log and search index change with it. */
export class CacheTables {
  readonly #db: SqliteDatabase
  readonly #changes: ChangeLog
  readonly #search: SearchIndex

  constructor(db: SqliteDatabase, changes: ChangeLog, search: SearchIndex) {
    this.#db = db
    this.#changes = changes
    this.#search = search
  }

  /** Forgetting what is not cached changes nothing, the change log included. */
  apply(rid: Rid, change: CacheChange, wake: Wake): AppliedChange {
    const row = this.#row(rid)
    if (change.kind === 'forget' && row === undefined) return { seq: this.#changes.last() }
    wake.changes = true
    const seq = change.kind === 'write' ? this.#write(rid, change, row) : this.#delete(rid, row)
    return row === undefined ? { seq } : { seq, previous: storedBundle(row.manifest, row.contents) }
  }

  read(rid: Rid): StoredBundle | undefined {
    const row = this.#row(rid)
    return row === undefined ? undefined : cachedBundle(row)
  }

  originOf(rid: Rid): Rid | undefined {
    return this.#db.get<{ origin: Rid | null }>('SELECT origin FROM cache WHERE rid = ?', rid)?.origin ?? undefined
  }

  readMany(rids: readonly Rid[]): StoredBundle[] {
    return rids.map((rid) => this.read(rid)).filter((bundle) => bundle !== undefined)
  }

  bundle(rid: Rid): Bundle | undefined {
    return this.read(rid)?.bundle
  }

  manifests(rids: readonly Rid[]): Manifest[] {
    return rids
      .map((rid) => this.#db.get<{ manifest: string }>('SELECT manifest FROM cache WHERE rid = ?', rid))
      .filter((row) => row !== undefined)
      .map((row) => storedManifest(row.manifest))
  }

  listRids(options: ListOptions): Rid[] {
    return this.#list<{ rid: Rid }>('rid', options).map((row) => row.rid)
  }

  listBundles(options: ListOptions): StoredBundle[] {
    return this.#list<CacheRow>('*', options).map(cachedBundle)
  }

  countByType(): Map<string, number> {
    const rows = this.#db.all<{ type: string; count: number }>(
      'SELECT type, count(*) AS count FROM cache GROUP BY type ORDER BY type',
    )
    return new Map(rows.map((row) => [row.type, row.count]))
  }

  #row(rid: Rid): (CacheRow & { id: number }) | undefined {
    return this.#db.get<CacheRow & { id: number }>(
      'SELECT id, rid, origin, seq, manifest, contents FROM cache WHERE rid = ?',
      rid,
    )
  }

  #write(rid: Rid, change: CacheChange & { kind: 'write' }, row: (CacheRow & { id: number }) | undefined): number {
    const { bundle, origin = null } = change
    const seq = this.#changes.append(rid, change.normalizedEventType, origin)
    const { manifest, contents } = bundle
    if (row === undefined) {
      const { id } = this.#db.run(
        'INSERT INTO cache (rid, type, origin, seq, manifest, contents) VALUES (?, ?, ?, ?, ?, ?)',
        rid,
        ridTypeOf(rid),
        origin,
        seq,
        manifest.text,
        contents.text,
      )
      this.#search.add(id, rid, contents.text)
    } else {
      const sql = 'UPDATE cache SET origin = ?, seq = ?, manifest = ?, contents = ? WHERE id = ?'
      this.#db.run(sql, origin, seq, manifest.text, contents.text, row.id)
      this.#search.remove(row.id)
      this.#search.add(row.id, rid, contents.text)
    }
    return seq
  }

  #delete(rid: Rid, row: (CacheRow & { id: number }) | undefined): number {
    if (row !== undefined) {
      this.#db.run('DELETE FROM cache WHERE id = ?', row.id)
      this.#search.remove(row.id)
    }
    return this.#changes.append(rid, 'FORGET' satisfies EventType, row?.origin ?? null)
  }

  /**
   * One type after the other: an RID begins with its type and a colon, so that the types' RIDs stand in blocks, and the blocks in
   * the order of these beginnings.
   */
  #list<T>(columns: string, { types = [], after = '' as Rid, limit }: ListOptions): T[] {
    if (limit !== undefined && limit <= 0) return []
    if (types.length === 0) {
      return this.#db.all<T>(`SELECT ${columns} FROM cache WHERE rid > ? ORDER BY rid LIMIT ?`, after, limit ?? -1)
    }
    const found: T[] = []
    for (const type of inByteOrder(types)) {
      const left = limit === undefined ? -1 : limit - found.length
      if (left === 0) break
      const sql = `SELECT ${columns} FROM cache WHERE type = ? AND rid > ? ORDER BY rid LIMIT ?`
      for (const row of this.#db.all<T>(sql, type, after, left)) found.push(row)
    }
    return found
  }
}

function inByteOrder(types: readonly string[]): string[] {
  return [...new Set(types)].sort((a, b) => Buffer.compare(Buffer.from(`${a}:`), Buffer.from(`${b}:`)))
}
