import { copyFile, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isKeyOfNode, publicKeyOf, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import { openKey, syncFolder } from '../identity/key-file.ts'
import { OWNER_KEY } from '../nodes/open-state.ts'
import { inspectStore } from '../store/inspect-store.ts'
import { lockStore } from '../store/store-lock.ts'
import { BackupError, describePart, KEY_PART, readManifest, STORE_PART } from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'

/**
 * Looks at every byte of a backup: sizes and hashes, the store's structure and format, whose it is, and that the key makes that node's RID. Blocks
 * the process while it reads the store (a second for 250,000 bundles).
 *
 * @param keyPassword of an encrypted key
 * @param tryKey false: the key is not opened
 * @throws BackupError, KeyFileError, StoreError (NEWER_FORMAT)
 */
export async function checkBackup(
  folder: string,
  keyPassword: string | undefined,
  { tryKey = true } = {},
): Promise<BackupManifest> {
  const manifest = await readManifest(folder)
  for (const { name, bytes, sha256 } of manifest.parts) {
    const found = await describePart(join(folder, name)).catch(() => undefined)
    if (found === undefined) throw damaged(folder, `${name} is missing`)
    if (found.bytes !== bytes) throw damaged(folder, `${name} has ${found.bytes} bytes instead of ${bytes}`)
    if (found.sha256 !== sha256) throw damaged(folder, `${name} does not match its hash`)
  }
  const { problem, owner } = inspectStore(join(folder, STORE_PART), OWNER_KEY)
  if (problem !== undefined) throw damaged(folder, `the store in it is damaged (${problem})`)
  if (owner !== manifest.node_rid) throw damaged(folder, `${STORE_PART} is of ${owner ?? 'nobody'}`)
  if (!tryKey) return manifest
  const keyPath = join(folder, KEY_PART)
  const key = openKey(keyPath, await readFile(keyPath, 'utf8'), keyPassword)
  if (!isKeyOfNode(manifest.node_rid, publicKeyToDerBase64(publicKeyOf(key))))
    throw damaged(folder, `${KEY_PART} is not the key of ${manifest.node_rid}`)
  return manifest
}

export interface RestoreOptions {
  /** Where the backup is. */
  readonly from: string
  /** The state folder to put it into; made where it is missing. */
  readonly state: string
  readonly keyPassword: string | undefined
  /** What is in the state folder is moved into a folder within it, instead of refused. */
  readonly force: boolean
  readonly now: Date
}

/**
 * Puts a backup, after `checkBackup`, into a state folder. The key goes there last: without it nothing starts on half of a copy.
 *
 * @returns `movedTo`: where the things are that were in the folder
 * @throws BackupError, KeyFileError, StoreError (BUSY: a node runs there); nothing was changed then
 */
export async function restoreBackup({ from, state: given, keyPassword, force, now }: RestoreOptions) {
  const manifest = await checkBackup(from, keyPassword)
  const state = resolve(given)
  await mkdir(state, { recursive: true, mode: 0o700 })
  const there = (await readdir(state)).filter((name) => name !== LOCK_FILE)
  if (there.length > 0 && !force) {
    throw new BackupError(
      `${state} is not empty: restore into an empty folder, or use --force, which moves what is there into a folder within it`,
    )
  }
  const lock = lockStore(join(state, STORE_PART))
  try {
    const movedTo = there.length === 0 ? undefined : join(state, `before-restore-${stamp(now)}`)
    if (movedTo !== undefined) {
      await mkdir(movedTo, { mode: 0o700 })
      // The key first: a folder without one starts nothing, should this process be killed here.
      for (const name of there.sort((a, b) => Number(b === KEY_PART) - Number(a === KEY_PART)))
        await rename(join(state, name), join(movedTo, name))
    }
    for (const name of [STORE_PART, KEY_PART]) await putPart(join(from, name), join(state, name))
    await syncFolder(state)
    return { manifest, movedTo }
  } finally {
    lock.close()
  }
}

const LOCK_FILE = `${STORE_PART}.lock`

async function putPart(from: string, to: string): Promise<void> {
  const fresh = `${to}.restoring`
  await rm(fresh, { force: true })
  await copyFile(from, fresh)
  const file = await open(fresh, 'r+')
  try {
    await file.chmod(0o600)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, to)
}

function damaged(folder: string, how: string): BackupError {
  return new BackupError(`The backup ${folder} is damaged: ${how}. Use another one`, { defect: how })
}

const stamp = (date: Date): string => date.toISOString().replaceAll(/[-:]|\.\d+/gu, '')
