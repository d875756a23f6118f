import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Wake } from './group-commit.ts'
import type { LeaseTokens } from './lease-tokens.ts'
import { LeaseLostError } from './node-store.ts'
import type { DeliveryBatch, DueTarget } from './node-store.ts'
import type { OutboxTables, QueuedEvent } from './outbox-tables.ts'
import type { OutboxTargets } from './outbox-targets.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

export interface TakeOptions {
  readonly owner: string
  readonly leaseMs: number
  readonly limit: number
  readonly maxBytes?: number
  readonly ignoreDue?: boolean
}

/** Rows looked at in one go while a batch is put together. */
const PAGE = 100
/** A target that lapsed is kept without a queue, and one that is resumed may have none yet. */
const HAS_WORK = '(lapsed_at IS NULL OR EXISTS (SELECT 1 FROM outbox WHERE outbox.target = outbox_targets.target))'
/** Stands before every target. */
const FIRST = { target: '' as Rid, dueAt: 0 }

/**
 * Batches on their way: one at a time for each target, under a lease. Only a target that failed waits for its moment; what the clock said when
 * events were queued gives the order of the others, and does not hold them back when it is set back.
 */
export class DeliveryTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #tokens: LeaseTokens
  readonly #outbox: OutboxTables
  readonly #targets: OutboxTargets

  constructor(db: SqliteDatabase, clock: Clock, tokens: LeaseTokens, outbox: OutboxTables, targets: OutboxTargets) {
    this.#db = db
    this.#clock = clock
    this.#tokens = tokens
    this.#outbox = outbox
    this.#targets = targets
  }

  dueTargets(limit: number, after: Pick<DueTarget, 'target' | 'dueAt'> = FIRST): DueTarget[] {
    const now = this.#clock()
    return this.#db.all<DueTarget>(
      `SELECT target, due_at AS dueAt, failures FROM outbox_targets
       WHERE (due_at, target) > (?, ?) AND (due_at <= ? OR failures = 0) AND ${HAS_WORK}
         AND target NOT IN (SELECT target FROM delivery_leases WHERE expires_at > ?)
       ORDER BY due_at, target LIMIT ?`,
      after.dueAt,
      after.target,
      now,
      now,
      limit,
    )
  }

  /** Of the targets that wait or are held, the moment at which the first one is to be had again. */
  nextDeliveryAt(): number | undefined {
    const row = this.#db.get<{ at: number | null }>(
      `SELECT min(at) AS at FROM (
         SELECT max(iif(failures = 0, 0, due_at), coalesce(expires_at, 0)) AS at FROM outbox_targets LEFT JOIN delivery_leases USING (target)
         WHERE ${HAS_WORK}
       ) WHERE at > ?`,
      this.#clock(),
    )
    return row?.at ?? undefined
  }

  take(target: Rid, options: TakeOptions): DeliveryBatch | undefined {
    const now = this.#clock()
    this.#db.run('DELETE FROM delivery_leases WHERE expires_at <= ?', now)
    if (this.#db.get('SELECT 1 FROM delivery_leases WHERE target = ?', target) !== undefined) return undefined
    const state = this.#db.get<{ due_at: number; failures: number }>(
      'SELECT due_at, failures FROM outbox_targets WHERE target = ?',
      target,
    )
    if (state === undefined) return undefined
    if (state.due_at > now && state.failures > 0 && options.ignoreDue !== true) return undefined
    const { batch, gone } = this.#collect(target, options)
    this.#targets.remove(target, gone)
    const upTo = batch.at(-1)?.id
    if (upTo === undefined) return undefined
    this.#outbox.markSent(batch.map((event) => event.id))
    const token = this.#tokens.next()
    const sql = 'INSERT INTO delivery_leases VALUES (?, ?, ?, ?, ?)'
    this.#db.run(sql, target, options.owner, token, now + options.leaseMs, upTo)
    return {
      target,
      owner: options.owner,
      token,
      eventTexts: batch.map((event) => event.text),
      rids: batch.map((event) => event.rid),
      failures: state.failures,
      rows: batch.map((event) => event.id),
    }
  }

  renew(batch: DeliveryBatch, leaseMs: number): void {
    const now = this.#clock()
    const { target, owner, token } = batch
    const { changes } = this.#db.run(
      'UPDATE delivery_leases SET expires_at = ? WHERE target = ? AND owner = ? AND token = ? AND expires_at > ?',
      now + leaseMs,
      target,
      owner,
      token,
      now,
    )
    if (changes === 0) throw lost(batch)
  }

  done(batch: DeliveryBatch, wake: Wake): void {
    this.#giveBack(batch)
    if (!this.#targets.remove(batch.target, batch.rows)) return
    this.#db.run(
      'UPDATE outbox_targets SET due_at = ?, failures = 0, last_error = NULL WHERE target = ?',
      this.#clock(),
      batch.target,
    )
    wake.outbox = true
  }

  failed(batch: DeliveryBatch, failure: { error: string; dueAt: number }, wake: Wake): void {
    this.#giveBack(batch)
    for (const rid of new Set(batch.rids)) this.#outbox.collapse(batch.target, rid, 0)
    this.#db.run(
      'UPDATE outbox_targets SET due_at = ?, failures = failures + 1, last_error = ? WHERE target = ?',
      failure.dueAt,
      failure.error,
      batch.target,
    )
    wake.outbox = true
  }

  /** @throws LeaseLostError */
  #giveBack(batch: DeliveryBatch): void {
    const { target, owner, token } = batch
    const { changes } = this.#db.run(
      'DELETE FROM delivery_leases WHERE target = ? AND owner = ? AND token = ? AND expires_at > ?',
      target,
      owner,
      token,
      this.#clock(),
    )
    if (changes === 0) throw lost(batch)
  }

  /** Events up to the bounds, the first one always; and rows whose bundle is gone, which nobody will send any more. */
  #collect(
    target: Rid,
    { limit, maxBytes }: TakeOptions,
  ): { batch: { id: number; rid: Rid; text: string }[]; gone: number[] } {
    const batch: { id: number; rid: Rid; text: string }[] = []
    const gone: number[] = []
    let bytes = 0
    let page: QueuedEvent[]
    let after = 0
    do {
      page = this.#outbox.queued(target, after, PAGE)
      for (const { id, rid, event_type, text: inline } of page) {
        const text = inline ?? (event_type === null ? undefined : this.#outbox.textOf(rid, event_type))
        after = id
        if (text === undefined) {
          gone.push(id)
          continue
        }
        // One more for the comma between events.
        bytes += Buffer.byteLength(text) + 1
        if (batch.length > 0 && maxBytes !== undefined && bytes > maxBytes) return { batch, gone }
        batch.push({ id, rid, text })
        if (batch.length === limit) return { batch, gone }
      }
    } while (page.length === PAGE)
    return { batch, gone }
  }
}

function lost({ target, owner, token }: DeliveryBatch): LeaseLostError {
  return new LeaseLostError(`Deliveries to ${target} are no longer held by ${owner} (token ${token})`)
}
