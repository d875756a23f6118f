import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Rid } from '@koi-mcp/protocol'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'
import type { CommitReport } from './group-commit.ts'
import type { NodeStore } from './node-store.ts'
import { StoreError } from './node-store.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import { checkFormat, createLeaseTables, migrate } from './sqlite-schema.ts'
import { SqliteNodeStore } from './sqlite-node-store.ts'
import { markDamaged, recheckDamaged } from './store-damage.ts'
import { examineFiles } from './store-file.ts'
import { begin, lockFile, lockStore, noteOwner, removeNote } from './store-lock.ts'
import { LogDamage } from './wal-file.ts'

const MEMORY = ':memory:'

export interface SqliteStoreOptions {
  /** The database file, made with its folder where absent; `:memory:` for a store that ends with the process. */
  readonly path: string
  readonly clock?: Clock | undefined
  /** What waits and leases are measured by, on the scale of `clock`; default: `clock` itself. */
  readonly steady?: Clock | undefined
  readonly log?: Logger | undefined
  /** `full`: what is acknowledged survives the loss of power. `normal`: it survives the process, not always the machine. */
  readonly durability?: 'full' | 'normal' | undefined
  /** The file never grows above this many pages of 4 KiB; absent: as far as the disk goes. */
  readonly maxPages?: number | undefined
  /** Told of every commit: for metrics and tests. */
  readonly onCommit?: ((report: CommitReport) => void) | undefined
}

/** Copies the store that is open into a new file while it works on; see `SqliteNodeStore.copyTo`. */
export type CopyStore = (path: string, signal: AbortSignal) => Promise<void>

/** What only a store in a file can do. */
export type FileStore = NodeStore & {
  readonly copyTo: CopyStore
  /** Gives the store to another node: forgets RIDs and drops what is queued about them without a word to anybody, and sets values. One step. */
  changeOwner(forget: readonly Rid[], values: ReadonlyMap<string, string>): Promise<void>
}

/**
 * Opens the embedded store. The file belongs to this process until `close`, or until the process dies.
 *
 * @throws StoreError BUSY (another owner), NEWER_FORMAT, DAMAGED, FULL, UNAVAILABLE; the message says what to do
 */
export function openSqliteStore(options: SqliteStoreOptions): Promise<FileStore> {
  return new Promise((resolvePromise) => resolvePromise(open(options)))
}

function open(options: SqliteStoreOptions): FileStore {
  const path = options.path === MEMORY ? MEMORY : resolve(options.path)
  const onDisk = path !== MEMORY
  if (!onDisk) return openDatabase(path, options, () => undefined)
  makeFolder(path)
  const lock = lockStore(path)
  try {
    examine(path, options)
    begin(path)
    return openDatabase(path, options, () => lock.close())
  } catch (error) {
    lock.close()
    throw error
  }
}

/** Without a sync for each commit a loss of power takes what cannot be read: the rest is read whole, and goes on. */
function examine(path: string, { durability, log }: SqliteStoreOptions): void {
  try {
    examineFiles(path)
  } catch (error) {
    if (!(error instanceof LogDamage) || durability !== 'normal') throw error
    log?.warn('what came last in the store cannot be read, and is given up', { error: error.message })
    markDamaged(path, error)
  }
}

function openDatabase(path: string, options: SqliteStoreOptions, unlock: () => void): FileStore {
  const onDisk = path !== MEMORY
  const log = options.log ?? silentLogger
  const clock = options.clock ?? systemClock
  const steady = options.steady ?? clock
  const db = new SqliteDatabase(path)
  try {
    if (onDisk) lockFile(db, path)
    if (onDisk) recheckDamaged(db, path)
    checkFormat(db, path)
    configure(db, options)
    migrate(db)
    createLeaseTables(db)
    bringForward(db, steady())
    const store = new SqliteNodeStore(db, {
      clock,
      steady,
      log,
      onCommit: options.onCommit ?? (() => undefined),
      beforeClose: () => onDisk && removeNote(path),
      afterClose: unlock,
    })
    if (onDisk) {
      noteOwner(path)
      db.onDamage((damage) => {
        markDamaged(path, damage)
        log.error('the store is damaged: from now on nothing is written to it, and what is still readable is served', {
          error: damage.message,
        })
      })
    }
    return store
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * WAL: one sync a commit, and two more when 16 MiB of it are written back into the file. The lock is exclusive, so its index lives in
 * memory and no other file is needed.
 */
function configure(db: SqliteDatabase, { durability = 'full', maxPages }: SqliteStoreOptions): void {
  db.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'};
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -16384;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA trusted_schema = OFF;
  `)
  if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`)
}

/** What would wait for longer than this was to wait by a clock that has been set back since. Milliseconds. */
const LONGEST_WAIT_MS = 3_600_000

function bringForward(db: SqliteDatabase, now: number): void {
  db.run('UPDATE inbox SET due_at = ? WHERE head = 1 AND due_at > ?', now, now + LONGEST_WAIT_MS)
  db.run('UPDATE outbox_targets SET due_at = ? WHERE due_at > ?', now, now + LONGEST_WAIT_MS)
}

function makeFolder(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StoreError('UNAVAILABLE', `The folder ${dirname(path)} cannot be made: ${String(cause)}`, { cause })
  }
}
