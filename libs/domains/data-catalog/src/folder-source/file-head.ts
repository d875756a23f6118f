import { open } from 'node:fs/promises'
import { TableError } from './table-error.ts'

const HEAD_BYTES = 64 * 1024

export type TextEncoding = 'utf-8' | 'utf-16' | 'latin-1'

export interface TextHead {
  readonly encoding: TextEncoding
  /** The beginning of the text, without a byte order mark. */
  readonly text: string
}

/** Up to 64 KiB from the beginning of a file. */
export async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** The beginning of a text file. @throws TableError when it is empty or binary */
export function textHead(head: Buffer): TextHead {
  const { encoding, text } = decoded(head)
  // Of the control characters, text has tabs, line ends and form feeds.
  if (/[\x00-\x08\x0e-\x1a\x1c-\x1f]/.test(text)) throw new TableError('no_table', 'is binary, not text')
  if (text.trim() === '') throw new TableError('no_table', 'is empty')
  return { encoding, text }
}

function decoded(head: Buffer): TextHead {
  const bigEndian = head[0] === 0xfe && head[1] === 0xff
  if (bigEndian || (head[0] === 0xff && head[1] === 0xfe)) {
    return { encoding: 'utf-16', text: new TextDecoder(bigEndian ? 'utf-16be' : 'utf-16le').decode(head) }
  }
  try {
    // `stream`: the head may end within a character.
    return { encoding: 'utf-8', text: new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true }) }
  } catch {
    return { encoding: 'latin-1', text: head.toString('latin1') }
  }
}
