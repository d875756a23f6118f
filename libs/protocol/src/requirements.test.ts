import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'

import { REQUIREMENTS } from './requirements.ts'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const SKIPPED = new Set(['node_modules', 'dist', '.nx', '.cache'])
function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : testFiles(path)
    return entry.name.endsWith('.test.ts') && path !== import.meta.filename ? [path] : []
  })
}

/** Ids in brackets anywhere but in a line of comment. */
function citationsIn(text: string): string[] {
  return [...text.replaceAll(/^\s*(\/\/|\/?\*).*$/gm, '').matchAll(/\[([A-Z]+-\d+)\]/g)].map(([, id = '']) => id)
}

const cited = new Set(
  ['libs', 'apps', 'e2e', 'interop']
    .flatMap((folder) => testFiles(join(ROOT, folder)))
    .flatMap((file) => citationsIn(readFileSync(file, 'utf8'))),
)

describe('the requirements of the protocol', () => {
  it('have ids of their own', () => {
    expect(new Set(REQUIREMENTS.map(({ id }) => id)).size).toBe(REQUIREMENTS.length)
  })

  it('are each cited by a test', () => {
    expect(REQUIREMENTS.filter(({ id }) => !cited.has(id))).toEqual([])
  })

  it('are the only ones that tests cite', () => {
    const known = new Set(REQUIREMENTS.map(({ id }) => id))
    expect([...cited].filter((id) => !known.has(id))).toEqual([])
  })

  it('are not cited by comments', () => {
    expect(citationsIn(["it('a [RID-1] b [ENV-2]')", '// [KEY-9]', "  it('x [MAN-1]')"].join('\n'))).toEqual([
      'RID-1',
      'ENV-2',
      'MAN-1',
    ])
  })
})
