import type { EventType, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { CacheTables } from './cache-tables.ts'
import type { Wake } from './group-commit.ts'
import type { OutboxTargetState } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { textToSend } from './stored-rows.ts'

/** A row of `outbox`, as far as making its event needs it. */
export interface QueuedEvent {
  readonly id: number
  readonly rid: Rid
  readonly event_type: EventType | null
  readonly text: string | null
}

/** A row of `outbox` without a text. */
interface Reference {
  readonly id: number
  readonly event_type: EventType
  readonly fresh: number
  readonly queued_at: number
}

/**
 * Events waiting for their targets. Most are references, made into events when they are sent. Of the references to one RID, the
 * last one stays, in the last one's place:
 *
 * - whatever, then FORGET → FORGET;
 * - NEW, then anything but FORGET → NEW: the target has had nothing of it yet;
 * - UPDATE, then UPDATE → UPDATE;
 * - UPDATE or FORGET, then NEW or UPDATE behind a FORGET → that FORGET, and NEW: the target may hold the older one, and what came after it was
 *   forgotten need not be newer.
 *
 * References in a batch that is under way stay out of this until it fails.
 */
export class OutboxTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #cache: CacheTables

  constructor(db: SqliteDatabase, clock: Clock, cache: CacheTables) {
    this.#db = db
    this.#clock = clock
    this.#cache = cache
  }

  /** Node and edge events count one by one and go out as they were: a handshake is a FORGET and then a NEW. */
  queueChange(target: Rid, rid: Rid, eventType: EventType, wake: Wake): void {
    if (rid.startsWith('orn:koi-net.')) {
      const text = this.textOf(rid, eventType)
      if (text !== undefined) this.#insert(target, rid, eventType, text, wake)
      return
    }
    this.#insert(target, rid, eventType, null, wake)
    const lease = this.#db.get<{ up_to: number }>(
      'SELECT up_to FROM delivery_leases WHERE target = ? AND expires_at > ?',
      target,
      this.#clock(),
    )
    this.collapse(target, rid, lease?.up_to ?? 0)
  }

  queueText(target: Rid, rid: Rid, text: string, wake: Wake): void {
    this.#insert(target, rid, null, text, wake)
  }

  /** The event as it would be sent now; nothing when the bundle is gone. */
  textOf(rid: Rid, eventType: EventType): string | undefined {
    return textToSend(rid, eventType, eventType === 'FORGET' ? undefined : this.#cache.bundle(rid))
  }

  /** Leaves of the references to the RID that stand after the row `upTo` what the target has to be told. */
  collapse(target: Rid, rid: Rid, upTo: number): void {
    const rows = this.#db.all<Reference>(
      'SELECT id, event_type, fresh, queued_at FROM outbox WHERE target = ? AND rid = ? AND text IS NULL AND id > ? ORDER BY id',
      target,
      rid,
      upTo,
    )
    const last = rows.at(-1)
    if (rows[0]?.fresh === 1 || last?.event_type === 'FORGET') return this.#merge(rows)
    const forgotten = rows.findLastIndex((row) => row.event_type === 'FORGET') + 1
    this.#merge(rows.slice(0, forgotten))
    this.#merge(rows.slice(forgotten))
  }

  /** Leaves the last row, as what all of them come to. */
  #merge(rows: readonly Reference[]): void {
    const first = rows[0]
    const last = rows.at(-1)
    if (first === undefined || last === undefined || first === last) return
    for (const row of rows.slice(0, -1)) this.#db.run('DELETE FROM outbox WHERE id = ?', row.id)
    const isNew = first.fresh === 1 || first.event_type === 'NEW'
    const eventType = last.event_type === 'FORGET' ? 'FORGET' : isNew ? 'NEW' : 'UPDATE'
    const sql = 'UPDATE outbox SET event_type = ?, fresh = ?, queued_at = ? WHERE id = ?'
    this.#db.run(sql, eventType, first.fresh, first.queued_at, last.id)
  }

  /** From here on the target may have had them, whether or not it said so. */
  markSent(rows: readonly number[]): void {
    for (const row of rows) this.#db.run('UPDATE outbox SET fresh = 0 WHERE id = ? AND fresh = 1', row)
  }

  /** The target's queue after the row `after`, in order. */
  queued(target: Rid, after: number, limit: number): QueuedEvent[] {
    const sql = 'SELECT id, rid, event_type, text FROM outbox WHERE target = ? AND id > ? ORDER BY id LIMIT ?'
    return this.#db.all<QueuedEvent>(sql, target, after, limit)
  }

  /** Takes rows out; answers whether the target has any left. */
  remove(target: Rid, rows: readonly number[]): boolean {
    for (const row of rows) this.#db.run('DELETE FROM outbox WHERE id = ? AND target = ?', row, target)
    if (this.#db.get('SELECT 1 FROM outbox WHERE target = ? LIMIT 1', target) !== undefined) return true
    this.#db.run('DELETE FROM outbox_targets WHERE target = ?', target)
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
    this.#db.run('DELETE FROM outbox_targets WHERE target NOT IN (SELECT target FROM outbox)')
  }

  state(): OutboxTargetState[] {
    const rows = this.#db.all<{
      target: Rid
      queued: number
      oldestAt: number
      failures: number
      last_error: string | null
    }>(
      `SELECT target, count(*) AS queued, min(queued_at) AS oldestAt, failures, last_error
       FROM outbox_targets JOIN outbox USING (target) GROUP BY target ORDER BY target`,
    )
    return rows.map(({ last_error: lastError, ...row }) => (lastError === null ? { ...row } : { ...row, lastError }))
  }

  #insert(target: Rid, rid: Rid, eventType: EventType | null, text: string | null, wake: Wake): void {
    const now = this.#clock()
    this.#db.run(
      'INSERT INTO outbox_targets (target, due_at) VALUES (?, ?) ON CONFLICT (target) DO NOTHING',
      target,
      now,
    )
    this.#db.run(
      'INSERT INTO outbox (target, rid, event_type, fresh, queued_at, text) VALUES (?, ?, ?, ?, ?, ?)',
      target,
      rid,
      eventType,
      eventType === 'NEW' ? 1 : 0,
      now,
      text,
    )
    wake.outbox = true
  }
}
