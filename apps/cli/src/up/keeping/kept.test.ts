import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { delayAfter } from './delay-after.ts'
import { Kept } from './kept.ts'
import type { Keepable } from './kept.ts'

interface Fake extends Keepable {
  readonly end: (how: string) => void
}

const NEVER = new AbortController().signal
const fail = (message: string) => () => Promise.reject(new Error(message))

describe('Kept', () => {
  let told: string[]
  let pid: number
  /** What the next starts do; by default they succeed. */
  let starts: ((signal: AbortSignal) => Promise<Fake>)[]
  let kept: Kept<Fake>

  const succeed = (): Promise<Fake> => {
    const { promise: exited, resolve } = Promise.withResolvers<string>()
    pid += 1
    return Promise.resolve({ pid, exited, end: resolve })
  }

  beforeEach(() => {
    told = []
    pid = 0
    starts = []
    kept = new Kept<Fake>({
      start: (signal) => (starts.shift() ?? succeed)(signal),
      stop: (process) => {
        told.push(`stop ${process.pid}`)
        process.end('asked to')
        return Promise.resolve()
      },
      onUp: (process) => told.push(`up ${process.pid}`),
      onDown: (process) => told.push(`down ${process.pid}`),
      warn: (text) => told.push(text),
    })
  })
  afterEach(() => kept.end())

  test('starts again what ends, each time later as long as it does not last', async () => {
    const first = await kept.begin(NEVER)
    starts = [fail('it could not start (x)')]
    first.end('exit code 1')
    await expect.poll(() => told.at(-1)).toBe('up 2')
    expect(told).toEqual([
      'up 1',
      'down 1',
      'ended (exit code 1); it is started again in 0.25 s',
      'it could not start (x); it is started again in 0.5 s',
      'up 2',
    ])
    expect(kept.current?.pid).toBe(2)
  })

  test('the first start is not tried again', async () => {
    starts = [fail('no')]
    await expect(kept.begin(NEVER)).rejects.toThrow('no')
    expect(told).toEqual([])
  })

  test('replaces one when the next is ready, and keeps it where none can be had', async () => {
    await kept.begin(NEVER)
    await kept.replace()
    expect(told).toEqual(['up 1', 'up 2', 'stop 1'])
    starts = [fail('no')]
    await expect(kept.replace()).rejects.toThrow('no')
    expect([kept.current?.pid, told.length]).toEqual([2, 3])
  })

  test('one that ends while the next starts is replaced once', async () => {
    const first = await kept.begin(NEVER)
    const next = Promise.withResolvers<Fake>()
    starts = [() => next.promise]
    const replaced = kept.replace()
    await Promise.resolve()
    first.end('killed')
    await expect.poll(() => told.at(-1)).toBe('down 1')
    next.resolve(await succeed())
    await replaced
    expect(told).toEqual(['up 1', 'down 1', 'up 2', 'stop 1'])
  })

  test('and where the next fails, it is started again', async () => {
    const first = await kept.begin(NEVER)
    const next = Promise.withResolvers<Fake>()
    starts = [() => next.promise]
    const replaced = kept.replace()
    await Promise.resolve()
    first.end('killed')
    await expect.poll(() => told.at(-1)).toBe('down 1')
    next.reject(new Error('no'))
    await expect(replaced).rejects.toThrow('no')
    await expect.poll(() => told.at(-1)).toBe('up 2')
  })

  test('starts none after its end, also where it was about to', async () => {
    const first = await kept.begin(NEVER)
    first.end('exit code 0')
    await expect.poll(() => told.length).toBe(3)
    await kept.end()
    expect(kept.current).toBeUndefined()
    await kept.replace()
    expect(told).toEqual(['up 1', 'down 1', 'ended (exit code 0); it is started again in 0.25 s'])
  })

  test('ends a start that goes on', async () => {
    starts = [
      (signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('off')))),
    ]
    const begin = kept.begin(NEVER)
    await kept.end()
    await expect(begin).rejects.toThrow('off')
  })
})

test('the waits double to 15 s, and begin anew for one that lasted', () => {
  const waits = [delayAfter(0, 0)]
  while (waits.length < 9) waits.push(delayAfter(1_000, waits.at(-1)!))
  expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
  expect(delayAfter(30_000, 15_000)).toBe(250)
})
