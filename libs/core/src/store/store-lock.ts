import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { StoreError } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/**
 * Takes the store for this process, until the connection closes or the process dies, however it dies: the operating system holds
 * the lock on the database file itself. Never open and close that file by other means in a process that owns it:
 * closing any descriptor of a file drops the process's POSIX locks on it.
 *
 * @throws StoreError BUSY, naming the owner where it is known
 */
export function lockStore(db: SqliteDatabase, path: string): void {
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT')
  } catch (error) {
    if (!(error instanceof StoreError && error.code === 'BUSY')) throw error
    const fix = 'stop that one first, or give this node a state folder of its own'
    throw new StoreError('BUSY', `The store ${path} is in use by ${ownerOf(path)}: ${fix}`, { cause: error })
  }
}

/** Leaves a note for whoever is refused. The lock is the database's; the note may be missing or outdated. */
export function noteOwner(path: string): void {
  writeFileSync(noteOf(path), `${JSON.stringify({ pid: process.pid, host: hostname() })}\n`, { mode: 0o600 })
}

export function removeNote(path: string): void {
  rmSync(noteOf(path), { force: true })
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
