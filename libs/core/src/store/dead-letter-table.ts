import type { Clock } from '../clock.ts'
import type { ArrivalTables } from './arrival-tables.ts'
import type { Wake } from './group-commit.ts'
import type { DeadLetter } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { deadLetter, withAttempt } from './stored-rows.ts'
import type { DeadLetterRow } from './stored-rows.ts'

const COLUMNS = 'place, rid, event_type, source, manifest, error, phase, attempts, failed_at, history'

/** Arrivals that failed for good, with what is needed to go on with them. */
export class DeadLetterTable {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #arrivals: ArrivalTables

  constructor(db: SqliteDatabase, clock: Clock, arrivals: ArrivalTables) {
    this.#db = db
    this.#clock = clock
    this.#arrivals = arrivals
  }

  /** Takes in what stands in the inbox; it is still to be taken out there. */
  add(place: number, error: string): void {
    const at = this.#clock()
    const history = this.#db.get<{ history: string }>('SELECT history FROM inbox WHERE place = ?', place)?.history
    this.#db.run(
      `INSERT INTO dead_letters
         (place, rid, event_type, source, phase, attempts, accepted_at, failed_at, error, manifest, contents,
          history, normalized_event_type, previous_manifest, previous_contents)
       SELECT place, rid, event_type, source, phase, attempts + 1, accepted_at, ?, ?, manifest, contents,
          ?, normalized_event_type, previous_manifest, previous_contents
       FROM inbox WHERE place = ?`,
      at,
      error,
      withAttempt(history ?? '[]', { at, error }),
      place,
    )
  }

  list(after: number, limit: number, contents: boolean): DeadLetter[] {
    const sql = `SELECT ${COLUMNS}, ${contents ? 'contents' : 'NULL AS contents'} FROM dead_letters WHERE place > ? ORDER BY place LIMIT ?`
    return this.#db.all<DeadLetterRow>(sql, after, limit).map(deadLetter)
  }

  /** One of a release before goes on from the beginning: what its phases need was not kept. */
  replay(place: number, wake: Wake): number | undefined {
    const row = this.#db.get<DeadLetterRow>('SELECT * FROM dead_letters WHERE place = ?', place)
    if (row === undefined) return undefined
    const replayed = this.#arrivals.appendAsIs(deadLetter(row).arrival, wake)
    this.#db.run(
      `UPDATE inbox SET replayed = 1, phase = iif(letter.normalized_event_type IS NULL, 'received', letter.phase),
         normalized_event_type = letter.normalized_event_type,
         previous_manifest = letter.previous_manifest, previous_contents = letter.previous_contents
       FROM dead_letters AS letter WHERE letter.place = ? AND inbox.place = ?`,
      place,
      replayed,
    )
    this.drop(place)
    return replayed
  }

  drop(place: number): boolean {
    return this.#db.run('DELETE FROM dead_letters WHERE place = ?', place).changes > 0
  }
}
