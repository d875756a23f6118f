import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { StoreError } from './node-store.ts'
import { SqliteDatabase } from './sqlite-database.ts'

/**
 * Takes the store for this process, until the answer is closed or the process dies, however it dies: the operating system holds the lock, on
 * an empty file beside the database. So the owner may look at the database's own files before it opens them.
 *
 * @throws StoreError BUSY, naming the owner where it is known
 */
export function lockStore(path: string): SqliteDatabase {
  begin(`${path}.lock`)
  const lock = new SqliteDatabase(`${path}.lock`)
  try {
    // Nothing is ever written to it, not even a journal: a full disk keeps nobody from the lock.
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    throw explained(error, path)
  }
}

/**
 * Takes the database file itself too: nothing else that knows SQLite gets in, and the log's index may live in memory. Never open and close
 * that file by other means from here on: closing any descriptor of a file drops the process's POSIX locks on it.
 */
export function lockFile(db: SqliteDatabase, path: string): void {
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
  } catch (error) {
    throw explained(error, path)
  }
}

/** Begins a file for this user alone, whatever the folder lets others do; what SQLite makes beside it has its mode. */
export function begin(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch {
    // It is there already; or SQLite says what is wrong with the place.
  }
}

/** Leaves a note for whoever is refused. The lock is the operating system's; the note may be missing or outdated. */
export function noteOwner(path: string): void {
  try {
    writeFileSync(noteOf(path), `${JSON.stringify({ pid: process.pid, host: hostname() })}\n`, { mode: 0o600 })
  } catch {
    // The disk may be full: then whoever is refused is not told by whom.
  }
}

export function removeNote(path: string): void {
  rmSync(noteOf(path), { force: true })
}

/** True behind an owner that did not close the store. */
export function hasNote(path: string): boolean {
  return existsSync(noteOf(path))
}

function explained(error: unknown, path: string): unknown {
  if (!(error instanceof StoreError && error.code === 'BUSY')) return error
  const fix = 'stop that one first, or give this node a state folder of its own'
  return new StoreError('BUSY', `The store ${path} is in use by ${ownerOf(path)}: ${fix}`, { cause: error })
}

function noteOf(path: string): string {
  return `${path}.owner`
}

function ownerOf(path: string): string {
  try {
    const note = JSON.parse(readFileSync(noteOf(path), 'utf8')) as { pid?: unknown; host?: unknown }
    if (typeof note.pid !== 'number' || typeof note.host !== 'string') return 'another process'
    if (note.host !== hostname()) return `process ${note.pid} on ${note.host}`
    return note.pid === process.pid ? `this process (${note.pid}) already` : `process ${note.pid}`
  } catch {
    return 'another process'
  }
}
