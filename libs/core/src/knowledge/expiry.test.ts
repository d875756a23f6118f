import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatTimestamp, generateBundle, microsOf, contentsOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { DATASET, profileBundle, recordingLogger, storeWith, testIdentity, until } from '../../test/peers.ts'
import { LeaseLostError, NO_EMISSIONS } from '../store/node-store.ts'
import type { NewArrival, NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { Expiry } from './expiry.ts'
import { TimeToLive } from './time-to-live.ts'

const DAY = 24 * 3_600_000
const START = Date.UTC(2026, 0, 10)
const PEER = testIdentity('peer').rid
const { signal } = new AbortController()

let now = START
let store: NodeStore
beforeEach(async () => {
  now = START
  store = await openSqliteStore({ path: ':memory:', clock: () => now, steady: () => now })
})
afterEach(() => store.close())

/** What begins to look when the store is as old as this, so that its clock is in no doubt. */
const expiry = (over: NodeStore = store, log = recordingLogger()) => {
  const ttl = new TimeToLive(
    DAY,
    () => now,
    () => now,
  )
  return new Expiry({ ttl, store: over, log, steady: () => now })
}

const cache = async (name: string, ms: number, origin?: Rid, rid = DATASET.of(name)) => {
  const bundle = generateBundle(rid, contentsOf({ name }), formatTimestamp(microsOf(new Date(ms))))
  await put({ rid, eventType: 'NEW', ...bundle, source: origin }, bundle)
  return bundle.manifest
}
const put = async (arrival: NewArrival, bundle: ReturnType<typeof profileBundle>) => {
  await store.accept([arrival])
  const [lane] = await store.takeLanes('test', 1_000, 1)
  if (lane === undefined) throw new Error('no lane')
  const { lease, first } = lane
  const change = { kind: 'write', normalizedEventType: 'NEW', bundle, origin: arrival.source } as const
  await store.apply(lease, first.place, change, NO_EMISSIONS)
  await store.finish(lease, first.place, NO_EMISSIONS)
  await store.releaseLane(lease)
}

/** What was accepted into the inbox. */
const accepted = async () => {
  const lanes = await store.takeLanes('reader', 1_000, 1_000)
  for (const { lease } of lanes) await store.releaseLane(lease)
  return lanes
    .map(({ first: { rid, eventType, source, manifest } }) => ({ rid, eventType, source, manifest: manifest?.text }))
    .sort((one, other) => (one.rid < other.rid ? -1 : 1))
}

describe('what is too old', () => {
  it('is forgotten: the state that is cached, as our own word or as that of whom it came from; and nothing else', async () => {
    const ours = await cache('a ours', START - DAY - 1)
    await cache('b young', START - DAY + 1)
    const theirs = await cache('c theirs', START - 2 * DAY, PEER)
    const profile = profileBundle(testIdentity('old'))
    await put({ rid: profile.manifest.rid, eventType: 'NEW', ...profile, source: profile.manifest.rid }, profile)
    const log = recordingLogger()
    await expiry(store, log).sweep(signal)
    expect(await accepted()).toEqual([
      { rid: ours.rid, eventType: 'FORGET', source: undefined, manifest: ours.text },
      { rid: theirs.rid, eventType: 'FORGET', source: PEER, manifest: theirs.text },
    ])
    expect(log.lines).toEqual([
      { level: 'info', message: 'knowledge is older than persistence.ttl and goes', fields: { count: 2 } },
    ])
  })

  it('is found in a cache of many pages', async () => {
    const bundles = Array.from({ length: 1_201 }, (_, n) => `${n}`)
    for (const name of bundles) await cache(name, Number(name) % 400 === 0 ? START - 2 * DAY : START)
    await expiry().sweep(signal)
    expect((await accepted()).map(({ rid }) => rid)).toEqual(
      ['0', '1200', '400', '800'].map((name) => DATASET.of(name)),
    )
  })

  it('is forgotten once a day at most, however long it stays', async () => {
    await cache('a', START - 2 * DAY)
    const pending = async () => (await store.inboxState()).pending
    const sweeper = expiry()
    await sweeper.sweep(signal)
    await sweeper.sweep(signal)
    await expiry().sweep(signal)
    expect(await pending()).toBe(1)
    now += DAY + 1
    await sweeper.sweep(signal)
    expect(await pending()).toBe(2)
  })

  it('is looked for by one process at a time', async () => {
    await cache('a', START - 2 * DAY)
    const other = await store.takeLease('expiry', 'another process', 30_000)
    await expiry().sweep(signal)
    expect(await accepted()).toEqual([])
    await store.releaseLease(other!)
    await expiry().sweep(signal)
    expect(await accepted()).toHaveLength(1)
    expect(await store.takeLease('expiry', 'another process', 30_000)).toBeDefined()
  })

  it('stays when the process that looked slept until another took over', async () => {
    await cache('a', START - 2 * DAY)
    const asleep = storeWith(store, {
      read: async (rid) => {
        now += DAY
        await store.takeLease('expiry', 'another process', 30_000)
        return store.read(rid)
      },
    })
    await expect(expiry(asleep).sweep(signal)).rejects.toThrow(LeaseLostError)
    expect(await accepted()).toEqual([])
  })

  it('stays when it was replaced while the page was looked at', async () => {
    await cache('a', START - 2 * DAY)
    const renewed = storeWith(store, {
      readManifests: async (rids) => {
        const manifests = await store.readManifests(rids)
        await cache('a', START)
        return manifests
      },
    })
    await expiry(renewed).sweep(signal)
    expect(await accepted()).toEqual([])
  })

  it('stays while the clock is in doubt', async () => {
    await cache('a', START - 2 * DAY)
    const looks: string[] = []
    const watched = storeWith(store, {
      takeLease: (...args) => {
        looks.push('look')
        return store.takeLease(...args)
      },
    })
    const stop = new AbortController()
    const sweeper = expiry(watched)
    const running = sweeper.run(stop.signal)
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort()
    await running
    expect(looks).toEqual([])
    now += 3_600_000
    const again = new AbortController()
    const ran = sweeper.run(again.signal)
    await until(async () => (await store.inboxState()).pending === 1)
    again.abort()
    await ran
  })
})
