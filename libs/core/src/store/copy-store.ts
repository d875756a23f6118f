import { closeSync, openSync } from 'node:fs'
import { StoreError } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Copies the database into a new file of this user alone. @throws StoreError that names the new file, or what `stop` throws */
export async function copyStore(db: SqliteDatabase, path: string, stop: () => void): Promise<void> {
  stop()
  try {
    closeSync(openSync(path, 'wx', 0o600))
    await db.copyTo(path, stop)
  } catch (error) {
    stop()
    throw new StoreError('UNAVAILABLE', `The copy ${path} cannot be written: ${messageOf(error)}`, { cause: error })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
