import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { StoreError } from './node-store.ts'
import { DAMAGE_FIX } from './sqlite-database.ts'
import { checkHeader } from './sqlite-schema.ts'
import { hasNote } from './store-lock.ts'
import { LogDamage, readWal } from './wal-file.ts'
import type { WalContents } from './wal-file.ts'

const NONE: WalContents = { pageCount: 0, pages: new Set(), firstPage: undefined }
const HEADER_BYTES = 100

/**
 * Looks at the files of a store before SQLite does, which on closing would write the log into a file that is refused. The caller owns the
 * store, so that nobody writes meanwhile, and has not opened it yet. https://www.sqlite.org/fileformat2.html#the_database_header
 *
 * @throws StoreError DAMAGED (LogDamage where only the log is), NEWER_FORMAT; nothing was changed then
 */
export function examineFiles(path: string): void {
  const size = sizeOf(path)
  const wal = sizeOf(`${path}-wal`) > 0 ? readWal(`${path}-wal`) : NONE
  if (size === 0) {
    if (wal.pageCount === 0) return
    throw damaged(path, 'it is empty, and its log is not')
  }
  // The note is made after the log, and goes before it.
  if (hasNote(path) && statSync(`${path}-wal`, { throwIfNoEntry: false }) === undefined)
    throw new LogDamage(`${path}-wal`, 'is missing, and the store was not closed: what came last is in that file')
  const header = wal.firstPage?.subarray(0, HEADER_BYTES) ?? readHeader(path)
  // What is no header of SQLite, SQLite itself refuses without a change.
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 15) !== 'SQLite format 3') return
  checkHeader({ applicationId: header.readUInt32BE(68), version: header.readUInt32BE(60) }, path)
  const pageSize = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16)
  // The header's count holds only while its two change counters agree.
  const counted = header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) : 0
  const pageCount = wal.pageCount > 0 ? wal.pageCount : counted
  for (let page = Math.trunc(size / pageSize) + 1; page <= pageCount; page++) {
    if (!wal.pages.has(page)) throw damaged(path, 'its end is missing')
  }
}

function readHeader(path: string): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  const file = openSync(path, 'r')
  try {
    return bytes.subarray(0, readSync(file, bytes, 0, HEADER_BYTES, 0))
  } finally {
    closeSync(file)
  }
}

/** 0 also for a file that is not there, and for what is no file: SQLite says what is wrong with that. */
function sizeOf(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false })
  return found?.isFile() === true ? found.size : 0
}

function damaged(path: string, how: string): StoreError {
  return new StoreError('DAMAGED', `The store ${path} is damaged: ${how}. Nothing was changed. ${DAMAGE_FIX}`)
}
