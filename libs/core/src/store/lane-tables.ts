import type { EventType, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Wake } from './group-commit.ts'
import type { LeaseTokens } from './lease-tokens.ts'
import { LeaseLostError } from './node-store.ts'
import type { ArrivalPhase, LaneLease, PendingArrival, TakenLane } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { pendingArrival } from './stored-rows.ts'
import type { ArrivalRow } from './stored-rows.ts'

/** The lanes of the inbox and who holds them. */
export class LaneTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #tokens: LeaseTokens

  constructor(db: SqliteDatabase, clock: Clock, tokens: LeaseTokens) {
    this.#db = db
    this.#clock = clock
    this.#tokens = tokens
  }

  take(owner: string, leaseMs: number, limit: number): TakenLane[] {
    const now = this.#clock()
    this.#db.run('DELETE FROM lane_leases WHERE expires_at <= ?', now)
    const heads = this.#db.all<ArrivalRow>(
      `SELECT * FROM inbox INDEXED BY inbox_heads
       WHERE head = 1 AND due_at <= ? AND lane NOT IN (SELECT lane FROM lane_leases) ORDER BY place LIMIT ?`,
      now,
      limit,
    )
    return heads.map((row) => {
      const lease = { lane: row.lane, owner, token: this.#tokens.next() }
      this.#db.run('INSERT INTO lane_leases VALUES (?, ?, ?, ?)', lease.lane, owner, lease.token, now + leaseMs)
      return { lease, first: pendingArrival(row) }
    })
  }

  renew(lease: LaneLease, leaseMs: number): void {
    this.check(lease)
    this.#db.run('UPDATE lane_leases SET expires_at = ? WHERE lane = ?', this.#clock() + leaseMs, lease.lane)
  }

  /** A lease that is lost already has nothing to give back. */
  release(lease: LaneLease, wake: Wake): void {
    // What came in while the lane was held was not to be had by others: they look again.
    if (this.giveBack(lease)) wake.inbox = this.isBusy(lease.lane)
  }

  /** Answers whether the lease was still held. */
  giveBack({ lane, owner, token }: LaneLease): boolean {
    const sql = 'DELETE FROM lane_leases WHERE lane = ? AND owner = ? AND token = ?'
    return this.#db.run(sql, lane, owner, token).changes > 0
  }

  /** @throws LeaseLostError */
  check({ lane, owner, token }: LaneLease): void {
    const held = this.#db.get(
      'SELECT 1 FROM lane_leases WHERE lane = ? AND owner = ? AND token = ? AND expires_at > ?',
      lane,
      owner,
      token,
      this.#clock(),
    )
    if (held === undefined) throw new LeaseLostError(`The lane ${lane} is no longer held by ${owner} (token ${token})`)
  }

  next(lease: LaneLease): PendingArrival | undefined {
    this.check(lease)
    const row = this.#db.get<ArrivalRow & { due_at: number }>(
      'SELECT * FROM inbox WHERE lane = ? ORDER BY place LIMIT 1',
      lease.lane,
    )
    return row === undefined || row.due_at > this.#clock() ? undefined : pendingArrival(row)
  }

  /** The lane's first arrival, which must be the one at `place`. @throws LeaseLostError */
  head(
    lease: LaneLease,
    place: number,
    phases: readonly ArrivalPhase[],
  ): { rid: Rid; normalized_event_type: EventType | null } {
    this.check(lease)
    const row = this.#db.get<Pick<ArrivalRow, 'rid' | 'phase' | 'normalized_event_type'>>(
      'SELECT rid, phase, normalized_event_type FROM inbox WHERE place = ? AND lane = ? AND head = 1',
      place,
      lease.lane,
    )
    if (row === undefined) throw new Error(`Arrival ${place} is not the first of the lane ${lease.lane}`)
    if (!phases.includes(row.phase))
      throw new Error(`Arrival ${place} is in phase ${row.phase}, not ${phases.join(' or ')}`)
    return row
  }

  /** Takes the arrival out; the next one of its lane becomes the first. Answers whether there is one. */
  remove(lane: string, place: number, wake: Wake): boolean {
    this.#db.run('DELETE FROM inbox WHERE place = ?', place)
    const { changes } = this.#db.run(
      'UPDATE inbox SET head = 1 WHERE place = (SELECT min(place) FROM inbox WHERE lane = ?)',
      lane,
    )
    if (changes > 0) wake.inbox = true
    return changes > 0
  }

  isBusy(lane: string): boolean {
    return this.#db.get('SELECT 1 FROM inbox WHERE lane = ? LIMIT 1', lane) !== undefined
  }

  /** When the first of all lanes' first arrivals is due, be it in the past; held lanes count. */
  nextDueAt(): number | undefined {
    const sql = 'SELECT min(due_at) AS at FROM inbox INDEXED BY inbox_due WHERE head = 1'
    return this.#db.get<{ at: number | null }>(sql)?.at ?? undefined
  }
}
