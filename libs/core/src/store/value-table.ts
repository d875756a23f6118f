import type { SqliteDatabase } from './sqlite-database.ts'

/** Small durable values by key. */
export class ValueTable {
  readonly #db: SqliteDatabase

  constructor(db: SqliteDatabase) {
    this.#db = db
  }

  get(key: string): string | undefined {
    return this.#db.get<{ value: string }>('SELECT value FROM node_values WHERE key = ?', key)?.value
  }

  /** Nothing as value removes the key. */
  set(key: string, value: string | undefined): void {
    if (value === undefined) this.#db.run('DELETE FROM node_values WHERE key = ?', key)
    else this.#db.run('INSERT OR REPLACE INTO node_values VALUES (?, ?)', key, value)
  }

  claim(key: string, value: string): string {
    this.#db.run('INSERT INTO node_values VALUES (?, ?) ON CONFLICT (key) DO NOTHING', key, value)
    return this.get(key) ?? value
  }

  /** In byte order of the keys. */
  list(prefix: string): Map<string, string> {
    const sql = 'SELECT key, value FROM node_values WHERE key >= ?1 AND instr(key, ?1) = 1 ORDER BY key'
    const rows = this.#db.all<{ key: string; value: string }>(sql, prefix)
    return new Map(rows.map(({ key, value }) => [key, value]))
  }
}
