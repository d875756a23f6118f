import type { EventType, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { ArrivalTables } from './arrival-tables.ts'
import type { CacheTables } from './cache-tables.ts'
import type { ChangeLog } from './change-log.ts'
import type { DeadLetterTable } from './dead-letter-table.ts'
import type { Wake } from './group-commit.ts'
import type { LaneTables } from './lane-tables.ts'
import type { AppliedChange, CacheChange, Emissions, LaneLease, Settled } from './node-store.ts'
import type { OutboxTables } from './outbox-tables.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { withAttempt } from './stored-rows.ts'

/** The steps of an arrival through the pipeline, each under its lane's lease and whole or not at all. */
export class InboxTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #arrivals: ArrivalTables
  readonly #deadLetters: DeadLetterTable
  readonly #lanes: LaneTables
  readonly #cache: CacheTables
  readonly #changes: ChangeLog
  readonly #outbox: OutboxTables

  constructor(
    db: SqliteDatabase,
    clock: Clock,
    tables: {
      arrivals: ArrivalTables
      deadLetters: DeadLetterTable
      lanes: LaneTables
      cache: CacheTables
      changes: ChangeLog
      outbox: OutboxTables
    },
  ) {
    this.#db = db
    this.#clock = clock
    this.#arrivals = tables.arrivals
    this.#deadLetters = tables.deadLetters
    this.#lanes = tables.lanes
    this.#cache = tables.cache
    this.#changes = tables.changes
    this.#outbox = tables.outbox
  }

  apply(lease: LaneLease, place: number, change: CacheChange, emissions: Emissions, wake: Wake): AppliedChange {
    const { rid } = this.#lanes.head(lease, place, ['received'])
    const applied = this.#cache.apply(rid, change, wake)
    const previous = applied.previous
    this.#db.run(
      `UPDATE inbox SET phase = 'network', normalized_event_type = ?, previous_manifest = ?, previous_contents = ? WHERE place = ?`,
      change.kind === 'forget' ? 'FORGET' : change.normalizedEventType,
      previous?.manifest.text ?? null,
      previous?.contents.text ?? null,
      place,
    )
    if (change.kind === 'write') {
      // What was written may have been fetched, or changed by a handler, since the arrival came.
      this.#db.run(
        'UPDATE inbox SET manifest = ?1, contents = ?2 WHERE place = ?3 AND (manifest IS NOT ?1 OR contents IS NOT ?2)',
        change.bundle.manifest.text,
        change.bundle.contents.text,
        place,
      )
    }
    this.#emit(emissions, wake)
    return applied
  }

  settle(
    lease: LaneLease,
    place: number,
    change: CacheChange,
    { targets, asOf }: { targets: readonly Rid[]; asOf: number },
    emissions: Emissions,
    wake: Wake,
  ): Settled | undefined {
    const { rid } = this.#lanes.head(lease, place, ['received'])
    if (this.#changes.lastOfNetwork() > asOf) return undefined
    this.#cache.apply(rid, change, wake)
    this.#queue(rid, change.kind === 'forget' ? 'FORGET' : change.normalizedEventType, targets, wake)
    this.#emit(emissions, wake)
    const more = this.#lanes.remove(lease.lane, place, wake)
    if (!more) this.#lanes.giveBack(lease)
    return { more }
  }

  announce(lease: LaneLease, place: number, targets: readonly Rid[], emissions: Emissions, wake: Wake): void {
    const { rid, normalized_event_type } = this.#lanes.head(lease, place, ['network'])
    this.#queue(rid, normalized_event_type, targets, wake)
    this.#db.run(`UPDATE inbox SET phase = 'final' WHERE place = ?`, place)
    this.#emit(emissions, wake)
  }

  finish(lease: LaneLease, place: number, emissions: Emissions, wake: Wake): void {
    this.#lanes.head(lease, place, ['received', 'network', 'final'])
    this.#emit(emissions, wake)
    this.#lanes.remove(lease.lane, place, wake)
  }

  retryLater(
    lease: LaneLease,
    place: number,
    failure: { error: string; dueAt: number; countAttempt: boolean },
    wake: Wake,
  ): void {
    this.#lanes.head(lease, place, ['received', 'network', 'final'])
    const { error, dueAt, countAttempt } = failure
    this.#db.run('UPDATE inbox SET due_at = ?, last_error = ? WHERE place = ?', dueAt, error, place)
    if (countAttempt) {
      const row = this.#db.get<{ history: string }>('SELECT history FROM inbox WHERE place = ?', place)
      const history = withAttempt(row?.history ?? '[]', { at: this.#clock(), error })
      this.#db.run('UPDATE inbox SET attempts = attempts + 1, history = ? WHERE place = ?', history, place)
    }
    wake.inbox = true
  }

  deadLetter(
    lease: LaneLease,
    place: number,
    error: string,
    emissions: Emissions,
    targets: readonly Rid[],
    wake: Wake,
  ): void {
    const { rid, normalized_event_type } = this.#lanes.head(
      lease,
      place,
      targets.length > 0 ? ['network'] : ['received', 'network', 'final'],
    )
    this.#queue(rid, normalized_event_type, targets, wake)
    this.#deadLetters.add(place, error)
    this.#emit(emissions, wake)
    this.#lanes.remove(lease.lane, place, wake)
  }

  state(): { pending: number; deadLetters: number; nextDueAt: number | undefined } {
    const counts = this.#db.get<{ pending: number; deadLetters: number }>(
      'SELECT (SELECT count(*) FROM inbox) AS pending, (SELECT count(*) FROM dead_letters) AS deadLetters',
    )
    return { pending: counts?.pending ?? 0, deadLetters: counts?.deadLetters ?? 0, nextDueAt: this.#lanes.nextDueAt() }
  }

  #queue(rid: Rid, eventType: EventType | null, targets: readonly Rid[], wake: Wake): void {
    if (eventType === null) return // Nothing was applied yet: the phases say so.
    for (const target of new Set(targets)) this.#outbox.queueChange(target, rid, eventType, wake)
  }

  #emit(emissions: Emissions, wake: Wake): void {
    this.#arrivals.append(emissions.arrivals, wake)
    for (const send of emissions.sends) this.#outbox.queueSend(send, wake)
  }
}
