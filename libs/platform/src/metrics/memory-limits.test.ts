import { execFileSync } from 'node:child_process'
import { totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { memoryLimit } from './memory-limits.ts'

const MODULE = fileURLToPath(new URL('memory-limits.ts', import.meta.url))
const heapLimitOf = (...flags: string[]): number =>
  Number(
    execFileSync(
      process.execPath,
      [...flags, '--input-type=module', '-e', `import { heapLimit } from '${MODULE}'; console.log(heapLimit())`],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    ),
  )

describe('the limits of memory', () => {
  it.each([[[]], [['--max-semi-space-size=4']]])(
    'are what V8 was given for live objects, with %j',
    (flags: string[]) => {
      expect(heapLimitOf('--max-old-space-size=300', ...flags)).toBe(300 * 1024 * 1024)
    },
  )

  it('are at most the memory of the machine', () => {
    expect(memoryLimit()).toBeGreaterThan(0)
    expect(memoryLimit()).toBeLessThanOrEqual(totalmem())
  })
})
