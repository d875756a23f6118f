import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { StoreError } from './node-store.ts'

/** What a write-ahead log holds that a recovery will keep. Format: https://www.sqlite.org/fileformat2.html#walformat */
export interface WalContents {
  /** Pages of the database after the last whole transaction; 0 when there is none. */
  readonly pageCount: number
  /** Numbers of the pages that stand in it. */
  readonly pages: ReadonlySet<number>
  /** The database's first page with its header, as the log has it. */
  readonly firstPage: Buffer | undefined
}

const HEADER = 32
const FRAME_HEADER = 24
const EMPTY: WalContents = { pageCount: 0, pages: new Set(), firstPage: undefined }

/**
 * Reads the log that a process left which did not close its store. SQLite keeps everything up to the first frame that is not whole, and
 * drops the rest without a word. Where a power failure cut it off, the rest is at most one transaction that nobody was told of, for each is
 * synced before the next begins; where more follow, the log was damaged later and acknowledged work stands behind the damage.
 *
 * @throws LogDamage
 */
export function readWal(path: string): WalContents {
  const file = openSync(path, 'r')
  try {
    return readFrames(path, fstatSync(file).size, (length, at) => {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, at))
    })
  } finally {
    closeSync(file)
  }
}

function readFrames(path: string, size: number, read: (length: number, at: number) => Buffer) {
  const header = read(HEADER, 0)
  // A log that was begun when the power failed: its length is on disk, and nothing else.
  if (header.length < HEADER || header.every((byte) => byte === 0)) return EMPTY
  const magic = header.readUInt32BE(0)
  const sums = new Checksum(magic === 0x377f0682)
  sums.add(header.subarray(0, 24))
  if (magic >>> 1 !== 0x377f0682 >>> 1 || !sums.isAt(header, 24))
    throw new LogDamage(path, 'is damaged: its beginning cannot be read')

  const pageSize = header.readUInt32BE(8)
  const frameSize = FRAME_HEADER + pageSize
  const salts = header.subarray(16, 24)
  const kept = { pageCount: 0, pages: new Set<number>(), firstPage: undefined as Buffer | undefined }
  let open: { page: number; data: Buffer | undefined }[] = []
  let whole = true
  let commitsBehind = 0
  for (let at = HEADER; at + frameSize <= size; at += frameSize) {
    const frame = read(frameSize, at)
    // Frames of the log's life before this one, which were in the database when it began anew.
    if (!frame.subarray(8, 16).equals(salts)) {
      whole = false
      continue
    }
    const pageCount = frame.readUInt32BE(4)
    if (whole) {
      sums.add(frame.subarray(0, 8))
      sums.add(frame.subarray(FRAME_HEADER))
      whole = sums.isAt(frame, 16)
    }
    if (!whole) {
      if (pageCount > 0) commitsBehind++
      continue
    }
    const page = frame.readUInt32BE(0)
    open.push({ page, data: page === 1 ? frame.subarray(FRAME_HEADER) : undefined })
    if (pageCount === 0) continue
    kept.pageCount = pageCount
    for (const { page: written, data } of open) {
      kept.pages.add(written)
      kept.firstPage = data ?? kept.firstPage
    }
    open = []
  }
  if (commitsBehind > 1) {
    throw new LogDamage(path, `is damaged: ${commitsBehind} transactions stand behind a part that cannot be read`)
  }
  return kept
}

/** The log's running checksum over pairs of 32-bit words. */
class Checksum {
  readonly #littleEndian: boolean
  #one = 0
  #two = 0

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian
  }

  add(bytes: Buffer): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let at = 0; at < bytes.length; at += 8) {
      this.#one = (this.#one + words.getUint32(at, this.#littleEndian) + this.#two) >>> 0
      this.#two = (this.#two + words.getUint32(at + 4, this.#littleEndian) + this.#one) >>> 0
    }
  }

  isAt(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#one && bytes.readUInt32BE(at + 4) === this.#two
  }
}

/** Part of the log is lost. Who promised less than a sync for each commit may go on without. */
export class LogDamage extends StoreError {
  constructor(path: string, how: string) {
    super(
      'DAMAGED',
      `The log ${path} ${how}. Nothing was changed. Put back a backup (koi-mcp restore); or, to give up what cannot be read and go on with the rest, ` +
        'start once with persistence.durability "normal"',
    )
  }
}
