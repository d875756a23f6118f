import type { PostgresConnections } from './postgres-connections.ts'

/** Small durable values by key, kept as bytes of UTF-8. */
export class PostgresValues {
  readonly #db: PostgresConnections

  constructor(db: PostgresConnections) {
    this.#db = db
  }

  async get(key: string): Promise<string | undefined> {
    const row = await this.#db.get<{ value: Buffer }>('SELECT value FROM node_values WHERE key = $1', key)
    return row?.value.toString('utf8')
  }

  /** Nothing as value removes the key. */
  async set(key: string, value: string | undefined): Promise<void> {
    if (value === undefined) await this.#db.get('DELETE FROM node_values WHERE key = $1', key)
    else {
      const sql = 'INSERT INTO node_values VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value'
      await this.#db.get(sql, key, Buffer.from(value, 'utf8'))
    }
  }

  async claim(key: string, value: string): Promise<string> {
    await this.#db.get(
      'INSERT INTO node_values VALUES ($1, $2) ON CONFLICT DO NOTHING',
      key,
      Buffer.from(value, 'utf8'),
    )
    return (await this.get(key)) ?? value
  }

  /** In byte order of the keys. */
  async list(prefix: string): Promise<Map<string, string>> {
    const sql = 'SELECT key, value FROM node_values WHERE key >= $1 AND starts_with(key, $1) ORDER BY key'
    const rows = await this.#db.all<{ key: string; value: Buffer }>(sql, prefix)
    return new Map(rows.map(({ key, value }) => [key, value.toString('utf8')]))
  }
}
