import type { SqliteDatabase } from './sqlite-database.ts'

const BLOCK = 1_000_000

/** Fencing tokens: each greater than all before it, over restarts too. A block is set aside at each start, so that few cost a write. */
export class LeaseTokens {
  readonly #db: SqliteDatabase
  #last: number

  /** Sets the first block aside; to be called before any lease is given. */
  constructor(db: SqliteDatabase) {
    this.#db = db
    this.#last = this.#ceiling()
    this.#setAside()
  }

  /** Within a step: a further block is set aside in its transaction. Tokens of a step that is rolled back are not used again. */
  next(): number {
    this.#last++
    if (this.#last > this.#ceiling()) this.#setAside()
    return this.#last
  }

  #ceiling(): number {
    return this.#db.get<{ ceiling: number }>('SELECT ceiling FROM lease_tokens')?.ceiling ?? 0
  }

  #setAside(): void {
    this.#db.run('UPDATE lease_tokens SET ceiling = ?', this.#last + BLOCK)
  }
}
