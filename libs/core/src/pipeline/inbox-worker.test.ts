import { afterEach, describe, expect, it, vi } from 'vitest'
import { HandQueue } from '../../test/hand-queue.ts'
import { testBundle, testIdentity, until } from '../../test/peers.ts'
import { systemClock } from '../clock.ts'
import { TransientError } from '../domain/handler-errors.ts'
import { silentLogger } from '../logger.ts'
import type { LaneLease, PendingArrival } from '../store/node-store.ts'
import { NO_EMISSIONS, StoreError } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { InboxWorker } from './inbox-worker.ts'
import type { InboxWorkerOptions } from './inbox-worker.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const close of opened.splice(0).reverse()) await close()
})

async function setup(
  run: (lease: LaneLease, arrival: PendingArrival) => Promise<void>,
  change: Partial<InboxWorkerOptions> = {},
) {
  const { clock = systemClock } = change
  const store = await openSqliteStore({ path: ':memory:', clock, steady: clock })
  opened.push(() => store.close())
  const worker = new InboxWorker({
    store,
    pipeline: { run: (lease, arrival) => run(lease, arrival).then(() => true) },
    owner: 'test',
    log: silentLogger,
    clock,
    concurrency: 4,
    maxAttempts: 3,
    backoffFactor: 1.5,
    ...change,
  })
  opened.push(() => worker.stop())
  const accept = async (...references: readonly string[]) => {
    const source = testIdentity('peer').rid
    const bundles = references.map((reference) => testBundle(reference))
    await store.accept(
      bundles.map(({ manifest, contents }) => ({ rid: manifest.rid, eventType: 'NEW', manifest, contents, source })),
    )
  }
  await accept('a')
  return { store, worker, accept }
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the inbox worker', () => {
  it('waits while the store cannot write, and goes on when it can', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    let full = true
    let runs = 0
    const attempts = new Set<number>()
    const { store, worker } = await setup((lease, { place, attempts: failed }) => {
      runs += 1
      attempts.add(failed)
      return full ? Promise.reject(new StoreError('FULL', 'no space')) : store.finish(lease, place, NO_EMISSIONS)
    })
    worker.start()
    await turns(200)
    expect(runs).toBe(1)
    vi.advanceTimersByTime(1_001)
    await turns(200)
    expect(runs).toBe(2)
    expect((await store.inboxState()).pending).toBe(1)
    full = false
    vi.advanceTimersByTime(1_001)
    await turns(200)
    expect(await store.inboxState()).toMatchObject({ pending: 0, deadLetters: 0 })
    // An outage is nothing that the knowledge did.
    expect([...attempts]).toEqual([0])
  })

  it.each([
    [2, 0, [800, 1_600, 3_200]],
    [2, 1, [1_000, 2_000, 4_000]],
    [10, 1, [1_000, 10_000, 100_000, 300_000, 300_000]],
    [1, 0, [800, 800, 800]],
  ])(
    'waits between attempts by the factor %d, a fifth of it left to chance (%d)',
    async (backoffFactor, random, waits) => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
      vi.spyOn(Math, 'random').mockReturnValue(random)
      let now = Date.UTC(2026, 0, 1)
      const attempts: number[] = []
      const run = (_: LaneLease, arrival: PendingArrival) => {
        attempts.push(arrival.attempts)
        return Promise.reject(new TransientError('busy'))
      }
      const { store, worker } = await setup(run, { clock: () => now, backoffFactor })
      worker.start()
      const waited: number[] = []
      for (let wait = 0; waited.length < waits.length; now += wait) {
        vi.advanceTimersByTime(5_001)
        await turns(200)
        wait = ((await store.inboxState()).nextDueAt ?? 0) - now
        waited.push(wait)
      }
      expect(waited).toEqual(waits)
      expect(attempts).toEqual(waits.map((_, attempt) => attempt))
    },
  )

  it('waits for as long as the error asks', async () => {
    const now = Date.UTC(2026, 0, 1)
    const run = () => Promise.reject(new TransientError('busy', { delayMs: 77_000 }))
    const { store, worker } = await setup(run, { clock: () => now })
    worker.start()
    await turns(200)
    expect((await store.inboxState()).nextDueAt).toBe(now + 77_000)
  })

  it('looks when the queue says so, hands on what it may have no room for, and says when it has room again', async () => {
    const queue = new HandQueue()
    const ends: (() => void)[] = []
    const run = async (lease: LaneLease, { place }: PendingArrival) => {
      await new Promise<void>((resolve) => ends.push(resolve))
      await store.finish(lease, place, NO_EMISSIONS)
    }
    const { store, worker, accept } = await setup(run, { queue, concurrency: 2 })
    worker.start()
    await until(() => ends.length === 1)
    await worker.room()
    await accept('b', 'c')
    await turns(50)
    expect([ends.length, queue.handedOn]).toEqual([1, []])
    queue.taker.look()
    let hasRoom = false
    const room = queue.taker.room().then(() => (hasRoom = true))
    await until(() => ends.length === 2)
    await turns(50)
    expect([hasRoom, queue.handedOn]).toEqual([false, ['lanes']])
    ends.shift()!()
    await until(() => ends.length === 2)
    for (const end of ends.splice(0)) end()
    await room
    await until(async () => (await store.inboxState()).pending === 0)
  })

  it('keeps no queue waiting for room when it stops', async () => {
    const queue = new HandQueue()
    let end = (): void => undefined
    const { store, worker } = await setup(
      async (lease, { place }) => {
        await new Promise<void>((resolve) => (end = resolve))
        await store.finish(lease, place, NO_EMISSIONS)
      },
      { queue, concurrency: 1 },
    )
    worker.start()
    await until(() => queue.handedOn.length === 1)
    const room = queue.taker.room()
    await turns(1)
    const stopped = worker.stop()
    await room
    expect(() => queue.taker).toThrow('nobody takes work')
    end()
    await stopped
  })
})
