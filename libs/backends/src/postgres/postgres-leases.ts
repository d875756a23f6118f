import type { Clock, NamedLease } from '@koi-mcp/core'
import type { PostgresConnections } from './postgres-connections.ts'
import { theRow } from './the-row.ts'

/** Named leases: what one replica does at a time. */
export class PostgresLeases {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  async take(name: string, owner: string, leaseMs: number): Promise<NamedLease | undefined> {
    const sql = 'SELECT take_lease($1, $2, $3, $4) AS token'
    const { token } = theRow(await this.#db.get<{ token: number | null }>(sql, this.#now, name, owner, leaseMs))
    return token === null ? undefined : { name, owner, token }
  }

  async release({ name, owner, token }: NamedLease): Promise<void> {
    const sql = 'UPDATE named_leases SET expires_at = 0 WHERE name = $1 AND owner = $2 AND token = $3'
    await this.#db.get(sql, name, owner, token)
  }

  /** Nothing asks the server for the time. */
  get #now(): number | null {
    return this.#clock === undefined ? null : Math.trunc(this.#clock())
  }
}
