import { createPrivateKey, randomUUID } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Stats } from 'node:fs'
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  generateKeyPair,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromDerBase64,
  publicKeyOf,
  publicKeyToDerBase64,
} from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'

/** The private key cannot be read or opened; the message names the file and the fix. */
export class KeyFileError extends Error {
  readonly code = 'KEY_FILE'
}

/**
 * Reads the node's private key (PKCS#8 PEM, encrypted where a password is given); `undefined` where there is no file.
 * @throws KeyFileError where the file cannot be read, others may read it, or its password is missing or wrong
 */
export async function loadKey(path: string, password: string | undefined, log: Logger): Promise<KeyObject | undefined> {
  let pem: string
  let about: Stats
  try {
    pem = await readFile(path, 'utf8')
    about = await stat(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new KeyFileError(`cannot read the private key ${path}: ${messageOf(error)}`, { cause: error })
  }
  checkMode(path, about, log)
  return openKey(path, pem, password)
}

/** @throws KeyFileError naming the file, where the text is no key or its password is missing or wrong */
export function openKey(path: string, pem: string, password: string | undefined): KeyObject {
  try {
    return password === undefined ? openPlain(pem) : privateKeyFromPem(pem, password)
  } catch (error) {
    throw new KeyFileError(`cannot open the private key ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Makes a private key. It is on disk, synced and complete, when this resolves: written beside its place and put there. `undefined` where another
 * process was faster: its key stays.
 * @throws KeyFileError where it cannot be written
 */
export async function createKey(path: string, password: string | undefined): Promise<KeyObject | undefined> {
  const key = generateKeyPair().privateKey
  const fresh = `${path}.${randomUUID()}.new`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(fresh, 'wx', 0o600)
    try {
      await file.writeFile(
        password === undefined ? key.export({ type: 'pkcs8', format: 'pem' }) : privateKeyToPem(key, password),
      )
      await file.sync()
    } finally {
      await file.close()
    }
    const isOurs = await putInPlace(fresh, path)
    await syncFolder(dirname(path))
    return isOurs ? key : undefined
  } catch (error) {
    throw new KeyFileError(`cannot write the private key ${path}: ${messageOf(error)}`, { cause: error })
  } finally {
    await rm(fresh, { force: true }).catch(() => undefined)
  }
}

/** Answers false, and leaves what is there, where the place is taken. */
async function putInPlace(fresh: string, path: string): Promise<boolean> {
  try {
    await link(fresh, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    // A disk without links, which no two processes share.
    await rename(fresh, path)
  }
  return true
}

/** What was made or renamed in a folder survives the loss of power from here on. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  await folder.sync().finally(() => folder.close())
}

/**
 * A group alone is only warned of, and not at all where the file is another user's: by its group we read it, as a Secret in a volume of Kubernetes.
 * Windows has no such modes.
 */
function checkMode(path: string, { mode, uid }: Stats, log: Logger): void {
  if (process.platform === 'win32') return
  const fix = `chmod 600 ${path}`
  if ((mode & 0o007) !== 0) throw new KeyFileError(`everybody on this machine may use the private key ${path}: ${fix}`)
  if ((mode & 0o070) !== 0 && uid === process.getuid?.())
    log.warn(`the group of the private key's file may use it: ${fix}`, { path })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A key kept without a password is guarded by the file's mode alone. */
function openPlain(pem: string): KeyObject {
  if (pem.includes('ENCRYPTED'))
    throw new Error('it is encrypted; give its password (KOI_MCP_NODE__PRIVATE_KEY_PASSWORD)')
  const key = createPrivateKey(pem)
  publicKeyFromDerBase64(publicKeyToDerBase64(publicKeyOf(key))) // Checks the curve.
  return key
}
