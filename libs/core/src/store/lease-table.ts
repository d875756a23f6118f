import type { Clock } from '../clock.ts'
import type { LeaseTokens } from './lease-tokens.ts'
import { LeaseLostError } from './node-store.ts'
import type { NamedLease } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Named leases. They end with the connection, as those of lanes and deliveries do. */
export class LeaseTable {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #tokens: LeaseTokens

  constructor(db: SqliteDatabase, clock: Clock, tokens: LeaseTokens) {
    this.#db = db
    this.#clock = clock
    this.#tokens = tokens
  }

  take(name: string, owner: string, leaseMs: number): NamedLease | undefined {
    const now = this.#clock()
    this.#db.run('DELETE FROM named_leases WHERE expires_at <= ?', now)
    const held = this.#db.get<{ owner: string; token: number }>(
      'SELECT owner, token FROM named_leases WHERE name = ?',
      name,
    )
    if (held !== undefined && held.owner !== owner) return undefined
    const lease = { name, owner, token: held?.token ?? this.#tokens.next() }
    this.#db.run('INSERT OR REPLACE INTO named_leases VALUES (?, ?, ?, ?)', name, owner, lease.token, now + leaseMs)
    return lease
  }

  release({ name, owner, token }: NamedLease): void {
    this.#db.run('DELETE FROM named_leases WHERE name = ? AND owner = ? AND token = ?', name, owner, token)
  }

  /** @throws LeaseLostError */
  check({ name, owner, token }: NamedLease): void {
    const sql = 'SELECT 1 FROM named_leases WHERE name = ? AND owner = ? AND token = ? AND expires_at > ?'
    if (this.#db.get(sql, name, owner, token, this.#clock()) === undefined)
      throw new LeaseLostError(`The lease ${name} is no longer held by ${owner} (token ${token})`)
  }
}
