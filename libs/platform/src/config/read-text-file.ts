import { readFileSync } from 'node:fs'

/** The text of a file, `undefined` where there is none; other errors of the system are thrown. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
