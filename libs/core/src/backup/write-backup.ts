import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { syncFolder } from '../identity/key-file.ts'
import type { CopyStore } from '../store/sqlite-store.ts'
import {
  BackupError,
  describePart,
  KEY_PART,
  makeManifest,
  MANIFEST_FILE,
  messageOf,
  STORE_PART,
} from './backup-manifest.ts'
import type { BackupManifest } from './backup-manifest.ts'

/**
 * A backup at a place where nothing is yet: `fill` writes it into a folder beside, which takes the place's name when it is whole and on disk.
 * A process that is killed leaves that folder under its own name, `<target>.partial-…`.
 *
 * @throws BackupError where something is at the place
 */
export async function placeBackup<T>(target: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const place = resolve(target)
  await mustBeFree(place)
  const partial = `${place}.partial-${randomBytes(4).toString('hex')}`
  try {
    await mkdir(dirname(place), { recursive: true })
    await mkdir(partial, { mode: 0o700 })
  } catch (error) {
    throw new BackupError(`The backup ${place} cannot be made: ${messageOf(error)}`, { cause: error })
  }
  try {
    const filled = await fill(partial)
    await syncFolder(partial)
    // Fails where somebody was faster; an empty folder is replaced.
    await rename(partial, place).catch((error: unknown) => {
      throw new BackupError(`The backup cannot take its place ${place}: ${messageOf(error)}`, { cause: error })
    })
    await syncFolder(dirname(place))
    return filled
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw error
  }
}

export interface BackupSource {
  readonly node: Rid
  /** The private key's file. */
  readonly key: string
  readonly copyStore: CopyStore
  readonly clock: Clock
}

/**
 * Writes store, key and, last, the manifest into an empty folder that only this user can look into: the private key is in it, and whoever asks
 * for a backup over the network must have shown by making the folder that it is theirs to read.
 *
 * @throws BackupError, also where a file cannot be written; or the signal's reason
 */
export async function fillBackup(folder: string, source: BackupSource, signal: AbortSignal): Promise<BackupManifest> {
  await mustBePrivateAndEmpty(folder)
  try {
    return await write(folder, source, signal)
  } catch (error) {
    signal.throwIfAborted()
    throw new BackupError(`The backup cannot be written: ${messageOf(error)}`, { cause: error })
  }
}

async function write(
  folder: string,
  { node, key, copyStore, clock }: BackupSource,
  signal: AbortSignal,
): Promise<BackupManifest> {
  const at = new Date(clock())
  const storePart = join(folder, STORE_PART)
  await copyStore(storePart, signal)
  await writePart(join(folder, KEY_PART), await readFile(key))
  const parts = [await describePart(storePart), await describePart(join(folder, KEY_PART))]
  const manifest = makeManifest(node, at, parts)
  const path = join(folder, MANIFEST_FILE)
  signal.throwIfAborted()
  await writePart(`${path}.new`, `${JSON.stringify(manifest, null, 2)}\n`)
  await rename(`${path}.new`, path)
  await syncFolder(folder)
  return manifest
}

/** A new file for this user alone, on disk when this resolves. */
async function writePart(path: string, bytes: Buffer | string): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function mustBeFree(place: string): Promise<void> {
  const found = await stat(place).catch(() => undefined)
  if (found === undefined) return
  if (found.isDirectory() && (await readdir(place)).length === 0) return
  throw new BackupError(`${place} is there already: a backup overwrites nothing. Name a place where nothing is`)
}

async function mustBePrivateAndEmpty(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined)
  const fix = 'let koi-mcp backup make it, as the user that runs the node'
  if (found?.isDirectory() !== true) throw new BackupError(`${folder} is no folder here: ${fix}`)
  const isOurs = process.getuid === undefined || found.uid === process.getuid()
  const isPrivate = process.platform === 'win32' || (found.mode & 0o077) === 0
  if (!isOurs || !isPrivate) throw new BackupError(`${folder} is not this user's alone: ${fix}`)
  if ((await readdir(folder)).length > 0) throw new BackupError(`${folder} is not empty: ${fix}`)
}
