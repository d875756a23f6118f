import type { EventType, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { CacheTables } from './cache-tables.ts'
import type { Wake } from './group-commit.ts'
import { isSentAsItWas } from './lanes.ts'
import type { DeliveryBatch, Emissions, StateReference } from './node-store.ts'
import type { OutboxTargets } from './outbox-targets.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { asNew, textToSend } from './stored-rows.ts'

/** A row of `outbox`, as far as making its event needs it. */
export interface QueuedEvent {
  readonly id: number
  readonly rid: Rid
  readonly event_type: EventType | null
  readonly text: string | null
}

/** A row of `outbox` without its text. */
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
 * Events about nodes and edges, and those sent past the pipeline, are texts. Of those about one RID there stay the last FORGET (a handshake is a
 * FORGET and then a NEW), and behind it the last other one, in the place of the first: an edge comes after the profiles that it needs.
 *
 * What is in a batch that is under way stays out of this until it fails.
 */
export class OutboxTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #cache: CacheTables
  readonly #targets: OutboxTargets

  constructor(db: SqliteDatabase, clock: Clock, cache: CacheTables, targets: OutboxTargets) {
    this.#db = db
    this.#clock = clock
    this.#cache = cache
    this.#targets = targets
  }

  queueChange(target: Rid, rid: Rid, eventType: EventType, wake: Wake): void {
    this.#queue(target, rid, eventType, eventType === 'NEW', wake)
  }

  queueSend({ target, rid, eventType, eventText }: Emissions['sends'][number], wake: Wake): void {
    if (this.#targets.open(target)) this.#insertText(target, rid, eventType, eventText, wake)
  }

  /** What came from the target is not told to it. */
  queueState(target: Rid, references: readonly StateReference[], last: boolean, wake: Wake): void {
    if (!this.#targets.isResumed(target)) return
    for (const { rid, eventType } of references) {
      if (this.#cache.originOf(rid) !== target) this.#queue(target, rid, eventType, false, wake)
    }
    if (last) this.#targets.settle(target)
  }

  /** `NodeStore.deliveriesLate` */
  queueAnew({ target, rids }: Pick<DeliveryBatch, 'target' | 'rids'>, wake: Wake): void {
    for (const rid of new Set(rids)) {
      if (this.#cache.originOf(rid) === target) continue
      if (isSentAsItWas(rid)) {
        this.#queue(target, rid, this.#cache.bundle(rid) === undefined ? 'FORGET' : 'UPDATE', false, wake)
        continue
      }
      this.#db.run('UPDATE outbox SET fresh = 0 WHERE target = ? AND rid = ? AND fresh = 1', target, rid)
      this.#queue(target, rid, 'FORGET', false, wake)
      this.#queue(target, rid, 'NEW', false, wake)
    }
  }

  /** The event as it would be sent now; nothing when the bundle is gone. */
  textOf(rid: Rid, eventType: EventType): string | undefined {
    return textToSend(rid, eventType, eventType === 'FORGET' ? undefined : this.#cache.bundle(rid))
  }

  /** Leaves of what stands after the row `upTo` about the RID what the target has to be told. */
  collapse(target: Rid, rid: Rid, upTo: number): void {
    this.#collapseReferences(target, rid, upTo)
    this.#collapseTexts(target, rid, upTo)
  }

  #collapseReferences(target: Rid, rid: Rid, upTo: number): void {
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
    this.#delete(rows.slice(0, -1))
    const isNew = first.fresh === 1 || first.event_type === 'NEW'
    const eventType = last.event_type === 'FORGET' ? 'FORGET' : isNew ? 'NEW' : 'UPDATE'
    const sql = 'UPDATE outbox SET event_type = ?, fresh = ?, queued_at = ? WHERE id = ?'
    this.#db.run(sql, eventType, first.fresh, first.queued_at, last.id)
  }

  /** Of a release before, those sent past the pipeline have no type: they stay as they are. */
  #collapseTexts(target: Rid, rid: Rid, upTo: number): void {
    const rows = this.#db.all<Reference>(
      `SELECT id, event_type, fresh, queued_at FROM outbox
       WHERE target = ? AND rid = ? AND text IS NOT NULL AND event_type IS NOT NULL AND id > ? ORDER BY id`,
      target,
      rid,
      upTo,
    )
    const forget = rows.findLastIndex((row) => row.event_type === 'FORGET')
    if (forget > 0) {
      this.#delete(rows.slice(0, forget))
      this.#db.run('UPDATE outbox SET queued_at = ? WHERE id = ?', rows[0]?.queued_at ?? 0, rows[forget]?.id ?? 0)
    }
    const [first, ...others] = rows.slice(forget + 1)
    const last = others.at(-1)
    if (first === undefined || last === undefined) return
    const isNew = [first, ...others].some((row) => row.event_type === 'NEW')
    const text = this.#db.get<{ text: string }>('SELECT text FROM outbox WHERE id = ?', last.id)?.text ?? ''
    const sql = 'UPDATE outbox SET event_type = ?, text = ? WHERE id = ?'
    this.#db.run(sql, isNew ? 'NEW' : 'UPDATE', isNew ? asNew(text) : text, first.id)
    this.#delete(others)
  }

  #delete(rows: readonly Reference[]): void {
    for (const { id } of rows) this.#db.run('DELETE FROM outbox WHERE id = ?', id)
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

  /** @param fresh whether the target has had nothing of the RID */
  #queue(target: Rid, rid: Rid, eventType: EventType, fresh: boolean, wake: Wake): void {
    if (!this.#targets.open(target)) return
    if (!isSentAsItWas(rid)) {
      this.#insert(target, rid, { eventType, fresh }, wake)
      return this.#collapseReferences(target, rid, this.#targets.underWay(target))
    }
    const text = this.textOf(rid, eventType)
    if (text !== undefined) this.#insertText(target, rid, eventType, text, wake)
  }

  #insertText(target: Rid, rid: Rid, eventType: EventType, text: string, wake: Wake): void {
    this.#insert(target, rid, { eventType, fresh: false, text }, wake)
    this.#collapseTexts(target, rid, this.#targets.underWay(target))
  }

  #insert(
    target: Rid,
    rid: Rid,
    { eventType, fresh, text = null }: { eventType: EventType; fresh: boolean; text?: string | null },
    wake: Wake,
  ): void {
    this.#db.run(
      'INSERT INTO outbox (target, rid, event_type, fresh, queued_at, text) VALUES (?, ?, ?, ?, ?, ?)',
      target,
      rid,
      eventType,
      fresh ? 1 : 0,
      this.#clock(),
      text,
    )
    wake.outbox = true
  }
}
