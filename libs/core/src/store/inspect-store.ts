import { pathToFileURL } from 'node:url'
import { problemsOf } from './store-damage.ts'
import { SqliteDatabase } from './sqlite-database.ts'
import { checkFormat } from './sqlite-schema.ts'

/**
 * Reads a closed store from beginning to end, and changes nothing.
 *
 * @returns what is wrong with it, and one of its values
 * @throws StoreError NEWER_FORMAT, or DAMAGED where it is no store at all
 */
export function inspectStore(path: string, key: string): { readonly problem?: string; readonly owner?: string } {
  // `immutable`: without lock and log, so that no file appears beside it, on a read-only disk too.
  const url = pathToFileURL(path)
  url.search = 'immutable=1'
  const db = new SqliteDatabase(url)
  try {
    checkFormat(db, path)
    const problem = problemsOf(db)
    const value = db.get<{ value: string }>('SELECT value FROM node_values WHERE key = ?', key)?.value
    return { ...(problem !== undefined && { problem }), ...(value !== undefined && { owner: value }) }
  } finally {
    db.close()
  }
}
