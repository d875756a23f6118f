import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { asRid } from '@koi-mcp/protocol'
import { systemClock } from '../clock.ts'
import { OWNER_KEY } from '../nodes/open-state.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { BackupError, KEY_PART, STORE_PART } from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'
import { fillBackup } from './write-backup.ts'

/**
 * Writes the backup of a node that does not run into an empty folder of this user's own.
 * @throws BackupError, StoreError (BUSY: it runs)
 */
export async function fillBackupOfStopped(state: string, folder: string, signal: AbortSignal): Promise<BackupManifest> {
  const path = join(state, STORE_PART)
  if (!existsSync(path)) throw new BackupError(`${state} is no state folder of a node: it holds no ${STORE_PART}`)
  const store = await openSqliteStore({ path })
  try {
    const owner = await store.getValue(OWNER_KEY)
    if (owner === undefined) throw new BackupError(`${path} belongs to no node yet: start it once`)
    const copyStore = (target: string, stop: AbortSignal) => store.copyTo(target, stop)
    return await fillBackup(
      folder,
      { node: asRid(owner), key: join(state, KEY_PART), copyStore, clock: systemClock },
      signal,
    )
  } finally {
    await store.close()
  }
}
