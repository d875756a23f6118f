import { deadLetter, laneOfArrival } from '@koi-mcp/core'
import type { Clock, DeadLetter, DeadLetterRow } from '@koi-mcp/core'
import type { PostgresConnections } from './postgres-connections.ts'

const COLUMNS = 'place, rid, event_type, source, manifest, error, phase, attempts, failed_at, history::text AS history'

/** Arrivals that failed for good. */
export class PostgresDeadLetters {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  async list(after: number, limit: number, contents: boolean): Promise<DeadLetter[]> {
    const sql = `SELECT ${COLUMNS}, ${contents ? 'contents' : 'NULL AS contents'} FROM dead_letters WHERE place > $1 ORDER BY place LIMIT $2`
    return (await this.#db.all<DeadLetterRow>(sql, after, limit)).map(deadLetter)
  }

  /** Its lane follows from what it is about, and does not change. */
  async replay(place: number): Promise<number | undefined> {
    const [letter] = await this.list(place - 1, 1, true)
    if (letter?.place !== place) return undefined
    const now = this.#clock === undefined ? null : Math.trunc(this.#clock())
    const sql = 'SELECT replay_dead_letter($1, $2, $3) AS place'
    const row = await this.#db.get<{ place: number | null }>(sql, now, place, laneOfArrival(letter.arrival))
    return row?.place ?? undefined
  }

  async drop(place: number): Promise<boolean> {
    return (await this.#db.get('DELETE FROM dead_letters WHERE place = $1 RETURNING place', place)) !== undefined
  }
}
