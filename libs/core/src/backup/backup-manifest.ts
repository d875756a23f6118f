import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { isRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

/** A backup cannot be made, or is not fit to be put back; the message names what is wrong and the fix. */
export class BackupError extends Error {
  readonly code = 'BACKUP'
  /** What is wrong with the files, without the fix. */
  readonly defect: string | undefined
  constructor(message: string, options: { cause?: unknown; defect?: string } = {}) {
    super(message, { cause: options.cause })
    this.defect = options.defect
  }
}

/** What says that a folder is a backup: the last file that is written into it. */
export const MANIFEST_FILE = 'koi-mcp-backup.json'
/** The parts, by their names in the state folder too. */
export const STORE_PART = 'knowledge.db'
export const KEY_PART = 'private.pem'

const FORMAT = 1

export interface BackupPart {
  readonly name: string
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

export interface BackupManifest {
  /** Of this file. */
  readonly format: number
  readonly node_rid: Rid
  /** ISO 8601, UTC: everything that was acknowledged before is in it. */
  readonly at: string
  readonly parts: readonly BackupPart[]
}

export function makeManifest(node: Rid, at: Date, parts: readonly BackupPart[]): BackupManifest {
  return { format: FORMAT, node_rid: node, at: at.toISOString(), parts }
}

/** @throws BackupError where the folder is no backup, or one of a newer release */
export async function readManifest(folder: string): Promise<BackupManifest> {
  const path = join(folder, MANIFEST_FILE)
  let manifest: Partial<BackupManifest>
  try {
    manifest = JSON.parse(await readFile(path, 'utf8')) as Partial<BackupManifest>
  } catch (error) {
    throw new BackupError(`${folder} is no backup: ${path} cannot be read (${messageOf(error)})`, { cause: error })
  }
  const { format, node_rid, at, parts } = manifest
  if (typeof format === 'number' && format > FORMAT) {
    throw new BackupError(
      `${path} has format ${format}, and this release reads formats up to ${FORMAT}: use the release that made it, or a newer one`,
    )
  }
  if (typeof node_rid !== 'string' || !isRid(node_rid) || typeof at !== 'string' || !Array.isArray(parts)) {
    throw new BackupError(`${path} is damaged: it must hold format, node_rid, at and parts. Use another backup`)
  }
  for (const name of [STORE_PART, KEY_PART]) {
    if (!parts.some((part: Partial<BackupPart> | null) => part?.name === name))
      throw new BackupError(`${path} is damaged: it does not list ${name}. Use another backup`)
  }
  return manifest as BackupManifest
}

export async function describePart(path: string): Promise<BackupPart> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
  }
  return { name: basename(path), bytes, sha256: hash.digest('hex') }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
