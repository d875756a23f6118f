/** What the Python reference printed, signed, took and refused: `interop/make-vectors.py`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export function vectors<T>(name: string): T {
  const folder = join(import.meta.dirname, '..', '..', '..', 'interop', 'vectors')
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as T
}
