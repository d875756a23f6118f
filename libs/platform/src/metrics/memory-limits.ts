import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

const MIB = 1024 * 1024
/** The largest of V8's two young halves where nobody says otherwise; it keeps room for three (Node 24). */
const SEMI_SPACE_MIB = 64

/** Bytes that the process may have: the limit of its container, else the memory of the machine. */
export function memoryLimit(): number {
  const limit = process.constrainedMemory()
  return limit > 0 && limit < totalmem() ? limit : totalmem()
}

/** Bytes that live objects may take before V8 ends the process: its own limit has the room for young ones on top, which is of no use to them. */
export function heapLimit(flags: readonly string[] = process.execArgv): number {
  const given = /--max[-_]semi[-_]space[-_]size[= ](\d+)/.exec(flags.join(' '))?.[1]
  const semiSpace = given === undefined ? SEMI_SPACE_MIB : Number(given)
  return getHeapStatistics().heap_size_limit - 3 * semiSpace * MIB
}
