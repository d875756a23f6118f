import { createPrivateKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { open, readFile, mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  generateKeyPair,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromDerBase64,
  publicKeyOf,
  publicKeyToDerBase64,
} from '@koi-mcp/protocol'

/** The private key cannot be read or opened; the message names the file and the fix. */
export class KeyFileError extends Error {
  readonly code = 'KEY_FILE'
}

/**
 * Reads the node's private key (PKCS#8 PEM, encrypted where a password is given), or makes one on the first start. A new key is on disk, synced and
 * complete, before it is used: written beside its place and moved there.
 * @throws KeyFileError where the file cannot be read, or its password is missing or wrong
 */
export async function loadOrCreateKey(path: string, password: string | undefined): Promise<KeyObject> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new KeyFileError(`cannot read the private key ${path}: ${error.message}`, { cause: error })
  })
  if (pem === undefined) return createKey(path, password)
  try {
    return password === undefined ? openPlain(pem) : privateKeyFromPem(pem, password)
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    throw new KeyFileError(`cannot open the private key ${path}: ${detail}`, { cause: error })
  }
}

async function createKey(path: string, password: string | undefined): Promise<KeyObject> {
  const key = generateKeyPair().privateKey
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const fresh = `${path}.new`
  const file = await open(fresh, 'w', 0o600)
  try {
    await file.writeFile(
      password === undefined ? key.export({ type: 'pkcs8', format: 'pem' }) : privateKeyToPem(key, password),
    )
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(fresh, path)
  const folder = await open(dirname(path), 'r')
  await folder.sync().finally(() => folder.close())
  return key
}

/** A key kept without a password is guarded by the file's mode alone. */
function openPlain(pem: string): KeyObject {
  if (pem.includes('ENCRYPTED'))
    throw new Error('it is encrypted; give its password (KOI_MCP_NODE__PRIVATE_KEY_PASSWORD)')
  const key = createPrivateKey(pem)
  publicKeyFromDerBase64(publicKeyToDerBase64(publicKeyOf(key))) // Checks the curve.
  return key
}
