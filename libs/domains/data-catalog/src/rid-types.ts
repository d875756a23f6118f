import { createHash } from 'node:crypto'
import { defineRidType, REFERENCE_MAX_RID_BYTES } from '@koi-mcp/protocol'
import type { Rid, RidType } from '@koi-mcp/protocol'

/** A dataset: `orn:data-catalog.dataset:<source>/<path or name>`. */
export const DatasetRID = defineRidType('orn:data-catalog.dataset')

/** The columns of datasets: `orn:data-catalog.schema:<source>/<name>`. */
export const DataSchemaRID = defineRidType('orn:data-catalog.schema')

/** The source of datasets that name none. */
export const DEFAULT_SOURCE = 'published'

/** Leaves most of an RID's 187 bytes to the path. */
const MAX_SOURCE_BYTES = 64
const HASH_ENDING = /~[0-9a-f]{32}$/

/**
 * The RID of a dataset of a source. A path that would make it longer than other nodes keep ends in `~` and a hash of the whole
 * path; so does one that looks like that already, lest two paths meet in one RID.
 *
 * @throws Error when the source is empty, longer than 64 bytes, or has a "/" in it
 */
export function datasetRid(source: string, path: string): Rid {
  return ridWithin(DatasetRID, source, path)
}

/** The RID of a schema, likewise. */
export function dataSchemaRid(source: string, name: string): Rid {
  return ridWithin(DataSchemaRID, source, name)
}

/** What the RIDs of a source begin with. */
export function ridPrefix(type: RidType, source: string): string {
  checkSource(source)
  return `${type.name}:${source}/`
}

function ridWithin(type: RidType, source: string, path: string): Rid {
  const prefix = ridPrefix(type, source)
  if (path === '') throw new Error(`${type.name}: an empty path or name has no RID`)
  const room = REFERENCE_MAX_RID_BYTES - Buffer.byteLength(prefix)
  const short = Buffer.byteLength(path) <= room && !HASH_ENDING.test(path)
  const ending = short ? '' : `~${createHash('sha256').update(path).digest('hex').slice(0, 32)}`
  return type.of(`${source}/${short ? path : firstBytes(path, room - ending.length)}${ending}`)
}

function checkSource(source: string): void {
  if (source === '') throw new Error('a source of datasets needs a name')
  if (source.includes('/')) throw new Error(`the source ${source} has a "/" in its name; leave it out`)
  const bytes = Buffer.byteLength(source)
  if (bytes <= MAX_SOURCE_BYTES) return
  throw new Error(`the source ${source} has a name of ${bytes} bytes; shorten it to ${MAX_SOURCE_BYTES}`)
}

/** As many whole characters as fit. */
function firstBytes(text: string, limit: number): string {
  let bytes = 0
  let kept = ''
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > limit) break
    kept += character
  }
  return kept
}
