import type { EventType, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { laneOf } from './lanes.ts'
import { NETWORK_LANE } from './node-store.ts'
import type { Change } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Changes that a later one of the same RID has overtaken are kept for this many changes; then a follower sees only the last. */
const OVERTAKEN_KEPT = 10_000
/** How long an RID that is gone stays in the log. A follower that was away for longer starts from what is cached. */
const FORGET_KEPT_MS = 7 * 24 * 3600 * 1000
/** In `node_values`. A store of before has none until the next such change; a node that starts on it looks at everything before that. */
const LAST_OF_NETWORK = 'store/last-of-network'

/** What happened to the cache, in order. The last change of every cached RID is always there. */
export class ChangeLog {
  readonly #db: SqliteDatabase
  readonly #clock: Clock

  constructor(db: SqliteDatabase, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  append(rid: Rid, eventType: EventType, origin: string | null): number {
    const now = this.#clock()
    const sql = 'INSERT INTO changes (rid, event_type, origin, at) VALUES (?, ?, ?, ?)'
    const seq = this.#db.run(sql, rid, eventType, origin, now).id
    this.#db.run('DELETE FROM changes WHERE rid = ? AND seq < ?', rid, seq - OVERTAKEN_KEPT)
    this.#expire(now)
    if (laneOf(rid) === NETWORK_LANE) {
      this.#db.run(
        'INSERT INTO node_values VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
        LAST_OF_NETWORK,
        String(seq),
      )
    }
    return seq
  }

  /** The place of the last change of a node or an edge. */
  lastOfNetwork(): number {
    return Number(
      this.#db.get<{ value: string }>('SELECT value FROM node_values WHERE key = ?', LAST_OF_NETWORK)?.value ?? 0,
    )
  }

  after(seq: number, limit: number): Change[] {
    const rows = this.#db.all<{ seq: number; rid: Rid; event_type: EventType; origin: string | null }>(
      'SELECT seq, rid, event_type, origin FROM changes WHERE seq > ? ORDER BY seq LIMIT ?',
      seq,
      limit,
    )
    return rows.map(({ origin, event_type: eventType, ...row }) => {
      return { ...row, eventType, ...(origin === null ? {} : { origin: origin as Rid }) }
    })
  }

  /** From SQLite's own record of the last key, for the row itself may have expired. */
  last(): number {
    return this.#db.get<{ seq: number }>(`SELECT seq FROM sqlite_sequence WHERE name = 'changes'`)?.seq ?? 0
  }

  #expire(now: number): void {
    const expired = this.#db.all<{ seq: number; rid: string }>(
      `SELECT seq, rid FROM changes WHERE event_type = 'FORGET' AND at < ? ORDER BY at LIMIT 10`,
      now - FORGET_KEPT_MS,
    )
    for (const { rid, seq } of expired) this.#db.run('DELETE FROM changes WHERE rid = ? AND seq <= ?', rid, seq)
  }
}
