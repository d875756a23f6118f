import { closeSync, fdatasync, openSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementSync } from 'node:sqlite'
import { setTimeout as nextMoment } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { StoreError } from './node-store.ts'

/** Of a copy; pages are of 4 KiB. */
const PAGES_A_PIECE = 100
const PAGES_A_SYNC = 2000
/** Of a copy that could not begin, before it is tried again. */
const LONGEST_PAUSE_MS = 10

export const DAMAGE_FIX =
  'Put back a backup (koi-mcp restore), or move the store away and start again: the node then keeps its name and catches up from its peers'

/** One SQLite connection: statements prepared once, failures of the file turned into `StoreError`s that say the fix. */
export class SqliteDatabase {
  readonly #db: DatabaseSync
  readonly #location: string
  readonly #statements = new Map<string, StatementSync>()
  #damage: StoreError | undefined
  #onDamage: ((damage: StoreError) => void) | undefined

  /** @param location a file's path or URL, or `:memory:` @throws StoreError */
  constructor(location: string | URL) {
    this.#location = location instanceof URL ? fileURLToPath(location) : location
    this.#db = this.#guard(() => new DatabaseSync(location, { timeout: 0 }))
  }

  /** The first row. The row's shape is the caller's word: it stands beside the SQL. */
  get<T>(sql: string, ...values: SQLInputValue[]): T | undefined {
    return this.#guard(() => this.#statement(sql).get(...values) as T | undefined)
  }

  all<T>(sql: string, ...values: SQLInputValue[]): T[] {
    return this.#guard(() => this.#statement(sql).all(...values) as T[])
  }

  /** Returns the id of the row inserted last, and how many rows changed. */
  run(sql: string, ...values: SQLInputValue[]): { id: number; changes: number } {
    const { lastInsertRowid, changes } = this.#guard(() => this.#statement(sql).run(...values))
    return { id: Number(lastInsertRowid), changes: Number(changes) }
  }

  /** Statements without values or results, more than one at a time. */
  exec(sql: string): void {
    this.#guard(() => this.#db.exec(sql))
  }

  /** False also after SQLite itself gave the transaction up, as it may when the disk is full. */
  get inTransaction(): boolean {
    return this.#db.isTransaction
  }

  get isOpen(): boolean {
    return this.#db.isOpen
  }

  /** What was found damaged while it was used: from then on whoever writes may destroy more. */
  get damage(): StoreError | undefined {
    return this.#damage
  }

  /** Told once, when damage is met for the first time. */
  onDamage(listener: (damage: StoreError) => void): void {
    this.#onDamage = listener
  }

  /**
   * Writes the state of one moment into another file, a few hundred KiB at a time on a thread of its own, while this connection goes on reading
   * and writing: what it commits meanwhile goes into the copy too. Rejects with what `stop` throws; it is called between the pieces.
   */
  async copyTo(path: string, stop: () => void): Promise<void> {
    // The last piece holds up this connection until the copy is synced: so it is synced all along, and little is left then.
    const file = openSync(path, 'r')
    let unsynced = 0
    let syncing = Promise.resolve()
    let isSyncing = false
    const sync = () => {
      unsynced = 0
      isSyncing = true
      syncing = new Promise((resolve) => {
        fdatasync(file, () => {
          isSyncing = false
          resolve()
        })
      })
    }
    try {
      await this.#begun(path, stop, () => {
        unsynced += PAGES_A_PIECE
        if (unsynced >= PAGES_A_SYNC && !isSyncing) sync()
      })
    } finally {
      await syncing
      closeSync(file)
    }
    // A connection that is closed meanwhile ends the copy early, and says nothing.
    stop()
  }

  /**
   * A first piece that meets a transaction of this connection is locked out (SQLITE_LOCKED), which node:sqlite takes for a failure, "not an error",
   * while it tries any later piece again by itself. So the first one is tried again here.
   */
  async #begun(path: string, stop: () => void, onPiece: () => void): Promise<void> {
    let begun = false
    const progress = () => {
      begun = true
      stop()
      onPiece()
    }
    for (;;) {
      try {
        await backup(this.#db, path, { rate: PAGES_A_PIECE, progress })
        return
      } catch (error) {
        const lockedOut = !begun && error instanceof Error && 'errcode' in error && error.errcode === 0
        if (!lockedOut) throw error
        stop()
        await nextMoment(Math.random() * LONGEST_PAUSE_MS)
      }
    }
  }

  close(): void {
    this.#statements.clear()
    this.#guard(() => this.#db.close())
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#storeError(error)
    }
  }

  /** Result codes: https://www.sqlite.org/rescode.html; the low byte is the primary one. Our own mistakes pass unchanged. */
  #storeError(error: unknown): unknown {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : undefined
    const where = this.#location
    const failure = (storeCode: StoreError['code'], message: string) =>
      new StoreError(storeCode, `${message} (${String((error as Error).message)})`, { cause: error })
    switch (code) {
      case 5: // SQLITE_BUSY
      case 6: // SQLITE_LOCKED
        return failure(
          'BUSY',
          `The store ${where} is in use by another process: stop that one, or give this node another state folder`,
        )
      case 11: // SQLITE_CORRUPT
      case 26: // SQLITE_NOTADB
        return this.#damaged(failure('DAMAGED', `The store ${where} is damaged. ${DAMAGE_FIX}`))
      case 13: // SQLITE_FULL
        return failure(
          'FULL',
          `The store ${where} cannot grow: free space on its disk. What was acknowledged before is safe`,
        )
      case 3: // SQLITE_PERM
      case 7: // SQLITE_NOMEM
      case 8: // SQLITE_READONLY
      case 10: // SQLITE_IOERR
      case 14: // SQLITE_CANTOPEN
      case 15: // SQLITE_PROTOCOL
      case 23: // SQLITE_AUTH
        return failure(
          'UNAVAILABLE',
          `The store ${where} cannot be read or written: see that its folder exists, is writable, and that its disk works`,
        )
      default:
        return this.#closed(error)
    }
  }

  #damaged(damage: StoreError): StoreError {
    if (this.#damage === undefined) {
      this.#damage = damage
      this.#onDamage?.(damage)
    }
    return damage
  }

  #closed(error: unknown): unknown {
    // node:sqlite says only ERR_INVALID_STATE for a closed database.
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_STATE')) return error
    return new StoreError('UNAVAILABLE', `The store ${this.#location} is closed`, { cause: error })
  }
}
