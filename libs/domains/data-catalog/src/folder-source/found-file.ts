import { lstat, realpath, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'

/** A file to be catalogued, as it stands in the folder. */
export interface FoundFile {
  /** Relative to the folder, parts separated by "/". */
  readonly path: string
  readonly bytes: number
  /** As ISO 8601 in UTC, to the microsecond where the file system tells; `undefined` where the time is beyond that. */
  readonly modified: string | undefined
  readonly modifiedMs: number
}

/**
 * Looks at one file below `root`, a real path. Files only: a link counts when it leads to a file below `root`, pipes and devices do not.
 * `undefined`: there is no such file.
 */
export async function findFile(root: string, path: string): Promise<FoundFile | undefined> {
  const absolute = join(root, ...path.split('/'))
  try {
    const link = (await lstat(absolute)).isSymbolicLink()
    if (link && !isWithin(root, await realpath(absolute))) return undefined
    const stats = await stat(absolute, { bigint: true })
    if (!stats.isFile()) return undefined
    return {
      path,
      bytes: Number(stats.size),
      modified: isoOf(stats.mtimeNs / 1_000n),
      modifiedMs: Number(stats.mtimeMs),
    }
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

export function isSame(a: Pick<FoundFile, 'bytes' | 'modified'>, b: Pick<FoundFile, 'bytes' | 'modified'>): boolean {
  return a.bytes === b.bytes && a.modified === b.modified
}

/** Whether an error of the file system says that there is nothing (any more). */
export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
}

function isWithin(root: string, path: string): boolean {
  return path.startsWith(root.endsWith(sep) ? root : root + sep)
}

/** Microseconds are written only where there are any, as most file systems and tools tell milliseconds or seconds. */
function isoOf(micros: bigint): string | undefined {
  const date = new Date(Number(micros / 1_000n))
  if (micros < 0n || Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9_999) return undefined
  const rest = Number(micros % 1_000n)
  return rest === 0 ? date.toISOString() : date.toISOString().replace('Z', `${String(rest).padStart(3, '0')}Z`)
}
