import type { Logger } from '../logger.ts'
import { StoreError } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** What a committed step gave rise to: see `NodeStore.onWake`. */
export interface Wake {
  changes: boolean
  inbox: boolean
  outbox: boolean
}

/** The work of one step. It runs without a pause inside a transaction, and may run again when the transaction was lost. */
export type StepWork<T> = (wake: Wake) => T

/** One commit, as told to those who count: how many steps shared it, and how many of them were written. */
export interface CommitReport {
  readonly steps: number
  readonly written: number
}

interface Step {
  readonly rows: number
  readonly work: StepWork<unknown>
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** A step that has run: what it answers once its transaction has ended. */
interface Outcome {
  readonly step: Step
  readonly value?: unknown
  readonly error?: unknown
  readonly failed: boolean
}

/** A batch ends at whichever comes first, so that the event loop keeps breathing. */
const MAX_BATCH_ROWS = 2000
const MAX_BATCH_MS = 20
/** How long the first step of a batch waits for others at most, in milliseconds, while each turn brings some. */
const MAX_GATHER_MS = 5

/**
 * Steps asked for in one turn of the event loop share one transaction, and so one disk sync. One that
 * fails takes nothing of the others with it. Promises settle after COMMIT.
 */
export class GroupCommit {
  readonly #db: SqliteDatabase
  readonly #log: Logger
  readonly #onCommit: (report: CommitReport) => void
  readonly #listeners = new Set<(wake: Readonly<Wake>) => void>()
  #queue: Step[] = []
  #scheduled = false
  #closed = false

  constructor(db: SqliteDatabase, log: Logger, onCommit: (report: CommitReport) => void) {
    this.#db = db
    this.#log = log
    this.#onCommit = onCommit
  }

  /** @param rows about how many rows the step writes: a batch takes steps up to a bound */
  submit<T>(work: StepWork<T>, rows = 1): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('UNAVAILABLE', 'The store is closed'))
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ rows, work, resolve: resolve as (value: unknown) => void, reject })
      this.#schedule()
    })
  }

  onWake(listener: (wake: Readonly<Wake>) => void): () => void {
    // Wrapped, so that one function may listen twice and unsubscribe once.
    const entry = (wake: Readonly<Wake>) => listener(wake)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** Takes no more steps, and runs those that are queued. */
  close(): void {
    this.#closed = true
    while (this.#queue.length > 0) this.#runBatch()
    this.#listeners.clear()
  }

  #schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return
    this.#scheduled = true
    this.#gather(0, performance.now() + MAX_GATHER_MS)
  }

  /** Commits in the first turn of the event loop that brings no more steps: of connections that wait to be accepted, each turn takes one. */
  #gather(known: number, until: number): void {
    // After the poll phase: all requests that came in with this turn have asked by then.
    setImmediate(() => {
      if (this.#queue.length > known && performance.now() < until) return this.#gather(this.#queue.length, until)
      this.#scheduled = false
      if (this.#queue.length > 0) this.#runBatch()
      this.#schedule()
    })
  }

  #runBatch(): void {
    const { damage } = this.#db
    if (damage !== undefined) {
      // Nothing more is written into a damaged file, nor acknowledged.
      for (const step of this.#queue.splice(0)) step.reject(damage)
      return
    }
    // Steps seldom fail, and a savepoint costs as much as a small step: they get theirs when one has failed, and all run again.
    const ran =
      this.#begin() && (this.#runSteps({ guarded: false }) ?? (this.#begin() && this.#runSteps({ guarded: true })))
    if (!ran) return
    this.#queue.splice(0, ran.outcomes.length)
    if (this.#commit(ran.outcomes)) this.#tell(ran.outcomes, ran.wake)
  }

  #begin(): boolean {
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      return true
    } catch (error) {
      for (const step of this.#queue.splice(0)) step.reject(error)
      return false
    }
  }

  /** Answers nothing when the transaction is no more. */
  #runSteps({ guarded }: { guarded: boolean }): { outcomes: readonly Outcome[]; wake: Wake } | undefined {
    const wake: Wake = { changes: false, inbox: false, outbox: false }
    const outcomes: Outcome[] = []
    const until = performance.now() + MAX_BATCH_MS
    let rows = 0
    for (const step of this.#queue) {
      if (outcomes.length > 0 && (rows + step.rows > MAX_BATCH_ROWS || performance.now() > until)) break
      rows += step.rows
      const outcome = guarded ? this.#runGuarded(step, wake) : runStep(step, wake)
      if (outcome.failed && !guarded) {
        if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
        return undefined
      }
      if (outcome.failed && !this.#db.inTransaction) {
        // SQLite gave up the whole transaction for this one's sake; the others stay queued and run again without it.
        this.#queue.splice(outcomes.length, 1)
        step.reject(outcome.error)
        return undefined
      }
      outcomes.push(outcome)
    }
    return { outcomes, wake }
  }

  #runGuarded(step: Step, wake: Wake): Outcome {
    const work = (own: Wake): unknown => {
      this.#db.run('SAVEPOINT step')
      const value = step.work(own)
      this.#db.run('RELEASE step')
      return value
    }
    const outcome = runStep({ ...step, work }, wake)
    if (outcome.failed && this.#db.inTransaction) this.#db.exec('ROLLBACK TO step; RELEASE step')
    return outcome
  }

  #commit(outcomes: readonly Outcome[]): boolean {
    try {
      this.#db.exec('COMMIT')
      return true
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec('ROLLBACK')
      for (const outcome of outcomes) outcome.step.reject(outcome.failed ? outcome.error : error)
      return false
    }
  }

  #tell(outcomes: readonly Outcome[], wake: Wake): void {
    for (const outcome of outcomes) {
      if (outcome.failed) outcome.step.reject(outcome.error)
      else outcome.step.resolve(outcome.value)
    }
    this.#onCommit({ steps: outcomes.length, written: outcomes.filter((outcome) => !outcome.failed).length })
    if (!wake.changes && !wake.inbox && !wake.outbox) return
    for (const listener of this.#listeners) {
      try {
        listener(wake)
      } catch (error) {
        this.#log.error('A listener of the store failed', { error })
      }
    }
  }
}

function runStep(step: Step, wake: Wake): Outcome {
  const own: Wake = { changes: false, inbox: false, outbox: false }
  try {
    const value = step.work(own)
    wake.changes ||= own.changes
    wake.inbox ||= own.inbox
    wake.outbox ||= own.outbox
    return { step, value, failed: false }
  } catch (error) {
    return { step, error, failed: true }
  }
}
