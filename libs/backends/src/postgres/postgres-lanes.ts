import { LeaseLostError, pendingArrival } from '@koi-mcp/core'
import type { ArrivalRow, Clock, LaneLease, PendingArrival, TakenLane } from '@koi-mcp/core'
import type { PostgresConnections } from './postgres-connections.ts'
import { theRow } from './the-row.ts'

/** Who holds which lane. */
export class PostgresLanes {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  async take(owner: string, leaseMs: number, limit: number): Promise<TakenLane[]> {
    const rows = await this.#db.all<ArrivalRow & { token: number }>(
      `SELECT token, (arrival).place, (arrival).lane, (arrival).phase, (arrival).attempts, (arrival).accepted_at, (arrival).rid,
         (arrival).event_type, (arrival).source, (arrival).normalized_event_type, (arrival).manifest, (arrival).contents,
         (arrival).previous_manifest, (arrival).previous_contents, (arrival).replayed
       FROM take_lanes($1, $2, $3, $4)`,
      this.#now,
      owner,
      leaseMs,
      limit,
    )
    return rows.map((row) => ({ lease: { lane: row.lane, owner, token: row.token }, first: pendingArrival(row) }))
  }

  async next(lease: LaneLease): Promise<PendingArrival | undefined> {
    const row = await this.#db.get<ArrivalRow & { due: boolean }>(
      `SELECT lanes.place, lanes.lane, phase, attempts, accepted_at, rid, event_type, source, normalized_event_type,
         manifest, contents, previous_manifest, previous_contents, replayed, due_at <= now_ms($1) AS due
       FROM lanes LEFT JOIN inbox ON inbox.place = lanes.place
       WHERE lanes.lane = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1)`,
      this.#now,
      lease.lane,
      lease.owner,
      lease.token,
    )
    if (row === undefined)
      throw new LeaseLostError(`The lane ${lease.lane} is no longer held by ${lease.owner} (token ${lease.token})`)
    return (row.place as number | null) === null || !row.due ? undefined : pendingArrival(row)
  }

  /** Answers whether it was held, and has work for others. */
  async release({ lane, owner, token }: LaneLease): Promise<boolean> {
    const sql = 'SELECT release_lane($1, $2, $3) AS more'
    return theRow(await this.#db.get<{ more: boolean }>(sql, lane, owner, token)).more
  }

  async renew(lease: LaneLease, leaseMs: number): Promise<void> {
    const row = await this.#db.get(
      `UPDATE lanes SET expires_at = now_ms($1) + $5
       WHERE lane = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1) RETURNING lane`,
      this.#now,
      lease.lane,
      lease.owner,
      lease.token,
      leaseMs,
    )
    if (row === undefined)
      throw new LeaseLostError(`The lane ${lease.lane} is no longer held by ${lease.owner} (token ${lease.token})`)
  }

  async isBusy(lane: string): Promise<boolean> {
    return (await this.#db.get('SELECT 1 FROM inbox WHERE lane = $1 LIMIT 1', lane)) !== undefined
  }

  /** Nothing asks the server for the time. */
  get #now(): number | null {
    return this.#clock === undefined ? null : Math.trunc(this.#clock())
  }
}
