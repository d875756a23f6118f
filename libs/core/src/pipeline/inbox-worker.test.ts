import { afterEach, describe, expect, it, vi } from 'vitest'
import { testBundle, testIdentity } from '../../test/peers.ts'
import { systemClock } from '../clock.ts'
import { silentLogger } from '../logger.ts'
import type { LaneLease, PendingArrival } from '../store/node-store.ts'
import { NO_EMISSIONS, StoreError } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { InboxWorker } from './inbox-worker.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  vi.useRealTimers()
  for (const close of opened.splice(0).reverse()) await close()
})

async function setup(run: (lease: LaneLease, arrival: PendingArrival) => Promise<void>) {
  const store = await openSqliteStore({ path: ':memory:' })
  opened.push(() => store.close())
  const worker = new InboxWorker({
    store,
    pipeline: { run: (lease, arrival) => run(lease, arrival).then(() => true) },
    owner: 'test',
    log: silentLogger,
    clock: systemClock,
    concurrency: 4,
    maxAttempts: 3,
    backoffFactor: 1.5,
  })
  opened.push(() => worker.stop())
  const { manifest, contents } = testBundle('a')
  await store.accept([{ rid: manifest.rid, eventType: 'NEW', manifest, contents, source: testIdentity('peer').rid }])
  return { store, worker }
}

const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the inbox worker', () => {
  it('waits while the store cannot write, and goes on when it can', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    let full = true
    let runs = 0
    const { store, worker } = await setup((lease, { place }) => {
      runs += 1
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
  })
})
