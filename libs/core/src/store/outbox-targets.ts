import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { LapsedTarget, OutboxTargetState } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

interface StateRow {
  target: Rid
  queued: number
  oldestAt: number
  failures: number
  last_error: string | null
}

interface LapsedRow {
  target: Rid
  lapsed_at: number
  resumed: number
  last_error: string | null
}

/** Whom events wait for, and who has lapsed: `NodeStore.lapseDeliveries` says what that is. */
export class OutboxTargets {
  readonly #db: SqliteDatabase
  readonly #clock: Clock

  constructor(db: SqliteDatabase, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** Makes room for an event; answers whether the target gets any. */
  open(target: Rid): boolean {
    const known = this.#db.get<{ away: number }>(
      'SELECT lapsed_at IS NOT NULL AND resumed = 0 AS away FROM outbox_targets WHERE target = ?',
      target,
    )
    if (known !== undefined) return known.away === 0
    this.#db.run('INSERT INTO outbox_targets (target, due_at) VALUES (?, ?)', target, this.#clock())
    return true
  }

  /** Up to which row a batch for the target is under way; 0 for none. */
  underWay(target: Rid): number {
    const sql = 'SELECT up_to FROM delivery_leases WHERE target = ? AND expires_at > ?'
    return this.#db.get<{ up_to: number }>(sql, target, this.#clock())?.up_to ?? 0
  }

  /** Takes rows out; answers whether the target has any left. */
  remove(target: Rid, rows: readonly number[]): boolean {
    for (const row of rows) this.#db.run('DELETE FROM outbox WHERE id = ? AND target = ?', row, target)
    if (this.#db.get('SELECT 1 FROM outbox WHERE target = ? LIMIT 1', target) !== undefined) return true
    this.#db.run('DELETE FROM outbox_targets WHERE target = ? AND lapsed_at IS NULL', target)
    return false
  }

  drop(target: Rid): number {
    const { changes } = this.#db.run('DELETE FROM outbox WHERE target = ?', target)
    this.#db.run('DELETE FROM outbox_targets WHERE target = ?', target)
    return changes
  }

  /** Takes out what is queued about an RID, whoever it is for. */
  dropAbout(rid: Rid): void {
    this.#db.run('DELETE FROM outbox WHERE rid = ?', rid)
    this.#db.run('DELETE FROM outbox_targets WHERE lapsed_at IS NULL AND target NOT IN (SELECT target FROM outbox)')
  }

  lapse(target: Rid, before: number): number | undefined {
    const sql = 'SELECT 1 FROM outbox WHERE target = ? AND queued_at <= ? LIMIT 1'
    if (this.underWay(target) > 0 || this.#db.get(sql, target, before) === undefined) return undefined
    const { changes } = this.#db.run('DELETE FROM outbox WHERE target = ?', target)
    this.#db.run('UPDATE outbox_targets SET lapsed_at = ?, resumed = 0 WHERE target = ?', this.#clock(), target)
    return changes
  }

  lapsed(): LapsedTarget[] {
    const sql =
      'SELECT target, lapsed_at, resumed, last_error FROM outbox_targets WHERE lapsed_at IS NOT NULL ORDER BY target'
    return this.#db.all<LapsedRow>(sql).map(lapsedTarget)
  }

  resume(target: Rid): boolean {
    const { changes } = this.#db.run(
      `UPDATE outbox_targets SET resumed = 1, due_at = ?, failures = 0, last_error = NULL
       WHERE target = ? AND lapsed_at IS NOT NULL AND resumed = 0`,
      this.#clock(),
      target,
    )
    return changes > 0
  }

  /** Answers whether the target is one that was resumed. */
  isResumed(target: Rid): boolean {
    const sql = 'SELECT 1 FROM outbox_targets WHERE target = ? AND lapsed_at IS NOT NULL AND resumed = 1'
    return this.#db.get(sql, target) !== undefined
  }

  /** It has all it is owed, or all of it waits. */
  settle(target: Rid): void {
    this.#db.run('UPDATE outbox_targets SET lapsed_at = NULL, resumed = 0 WHERE target = ?', target)
    this.remove(target, [])
  }

  state(): OutboxTargetState[] {
    const rows = this.#db.all<StateRow>(
      `SELECT target, count(*) AS queued, min(queued_at) AS oldestAt, failures, last_error
       FROM outbox_targets JOIN outbox USING (target) GROUP BY target ORDER BY target`,
    )
    return rows.map(({ last_error: lastError, ...row }) => (lastError === null ? { ...row } : { ...row, lastError }))
  }
}

function lapsedTarget({ target, lapsed_at, resumed, last_error }: LapsedRow): LapsedTarget {
  const state = { target, lapsedAt: lapsed_at, resumed: resumed === 1 }
  return last_error === null ? state : { ...state, lastError: last_error }
}
