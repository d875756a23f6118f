import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { FoundFile } from './found-file.ts'
import { Settling } from './settling.ts'

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => vi.useRealTimers())

/** A settling of 100 ms with 10 times' patience, on a file that `state` gives. */
function settling(state: () => Partial<FoundFile> | undefined): { settles: Settling; settled: string[] } {
  const settled: string[] = []
  const settles = new Settling({
    stableMs: 100,
    patience: 10,
    find: (path) => {
      const file = state()
      return Promise.resolve(file && { path, bytes: 1, modified: 'm', modifiedMs: Date.now(), ...file })
    },
    onSettled: (path) => settled.push(path),
  })
  return { settles, settled }
}

it('takes a file that was the same twice', async () => {
  let bytes = 1
  const { settles, settled } = settling(() => ({ bytes }))
  settles.touch('a')
  await vi.advanceTimersByTimeAsync(110)
  bytes = 2
  await vi.advanceTimersByTimeAsync(100)
  expect(settled).toEqual([])
  expect(settles.size).toBe(1)
  await vi.advanceTimersByTimeAsync(100)
  expect(settled).toEqual(['a'])
  expect(settles.size).toBe(0)
})

it('takes at the first look what has been resting by its own time, and what is gone', async () => {
  const { settles, settled } = settling(() => ({ modifiedMs: 5 }))
  settles.touch('old')
  await vi.advanceTimersByTimeAsync(100)
  expect(settled).toEqual(['old'])
  const gone = settling(() => undefined)
  gone.settles.touch('gone')
  await vi.advanceTimersByTimeAsync(100)
  expect(gone.settled).toEqual(['gone'])
})

it('begins anew with each touch', async () => {
  const { settles, settled } = settling(() => ({ modifiedMs: 5 }))
  for (let i = 0; i < 8; i++) {
    settles.touch('a')
    await vi.advanceTimersByTimeAsync(90)
  }
  expect(settled).toEqual([])
  await vi.advanceTimersByTimeAsync(10)
  expect(settled).toEqual(['a'])
})

it('takes what never rests as it is in the end, however often it is touched', async () => {
  let bytes = 1
  const { settles, settled } = settling(() => ({ bytes: (bytes += 1) }))
  for (let i = 0; i < 120 && settled.length === 0; i++) {
    settles.touch('log')
    await vi.advanceTimersByTimeAsync(10)
  }
  expect(settled).toEqual(['log'])
  expect(Date.now() - 1_000_000).toBeGreaterThanOrEqual(1_000)
})

it('drops all when it is stopped', async () => {
  const { settles, settled } = settling(() => undefined)
  settles.touch('a')
  settles.stop()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(settled).toEqual([])
})
