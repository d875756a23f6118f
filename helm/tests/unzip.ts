import { inflateRawSync } from 'node:zlib'

const END_OF_DIRECTORY = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50
const STORED = 0
const DEFLATED = 8

/**
 * One file of a ZIP archive, by its central directory (APPNOTE 4.3.12, 4.3.16).
 * @throws Error where the archive has no such file, or packs it otherwise than by deflate
 */
export function fileInZip(zip: Buffer, name: string): Buffer {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]))
  if (end < 0 || zip.readUInt32LE(end) !== END_OF_DIRECTORY) throw new Error('this is no ZIP archive')
  let at = zip.readUInt32LE(end + 16)
  while (zip.readUInt32LE(at) === DIRECTORY_ENTRY) {
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset))
    if (zip.toString('utf8', at + 46, at + 46 + nameLength!) === name) return contentsOf(zip, at)
    at += 46 + nameLength! + extraLength! + commentLength!
  }
  throw new Error(`the archive has no ${name}`)
}

function contentsOf(zip: Buffer, entry: number): Buffer {
  const method = zip.readUInt16LE(entry + 10)
  const size = zip.readUInt32LE(entry + 20)
  const local = zip.readUInt32LE(entry + 42)
  // Lengths of the local head may differ from those of the directory.
  const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
  const packed = zip.subarray(start, start + size)
  if (method === STORED) return packed
  if (method !== DEFLATED) throw new Error(`the archive packs by method ${method}, which is not deflate`)
  return inflateRawSync(packed)
}
