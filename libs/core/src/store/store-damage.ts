import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { StoreError } from './node-store.ts'
import { DAMAGE_FIX } from './sqlite-database.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Leaves word for the next start that damage was met, so that no restart goes on as if nothing were. */
export function markDamaged(path: string, damage: StoreError): void {
  try {
    writeFileSync(markOf(path), `${damage.message}\n`, { mode: 0o600 })
  } catch {
    // A disk that fails may fail here too; the log has it.
  }
}

/**
 * Behind a run that met damage, reads the whole file (350 ms for 100,000 bundles); a whole file loses the mark.
 * @throws StoreError DAMAGED
 */
export function recheckDamaged(db: SqliteDatabase, path: string): void {
  if (!existsSync(markOf(path))) return
  const found = problemsOf(db)
  if (found !== undefined) throw new StoreError('DAMAGED', `The store ${path} is damaged (${found}). ${DAMAGE_FIX}`)
  rmSync(markOf(path), { force: true })
}

/** What `PRAGMA quick_check` finds first; `undefined` for a whole file. */
export function problemsOf(db: SqliteDatabase): string | undefined {
  const [first] = db.all<{ quick_check: string }>('PRAGMA quick_check(1)')
  return first?.quick_check === 'ok' ? undefined : (first?.quick_check.replaceAll('\n', ' ') ?? 'no answer')
}

function markOf(path: string): string {
  return `${path}.damaged`
}
