import { describe, expect, it } from 'vitest'
import type { Bundle, Manifest, Rid } from '@koi-mcp/protocol'
import { DATASET, profileBundle, recordingLogger, testBundle, testIdentity, until } from '../../test/peers.ts'
import { silentLogger } from '../logger.ts'
import type { NewArrival } from '../store/node-store.ts'
import { catchUp } from './catch-up.ts'
import type { CatchUpOptions } from './catch-up.ts'
import { CatchUps } from './catch-ups.ts'
import { PeerError } from './peer-client.ts'

const self = testIdentity('us').rid
const peer = testIdentity('peer').rid
const signal = new AbortController().signal

interface Calls {
  readonly rids: (readonly string[])[]
  readonly manifests: number[]
  readonly bundles: number[]
}

/** A peer that knows `theirs`, seen from a node that has cached `ours`. */
function setup(
  theirs: readonly Bundle[],
  ours: readonly Bundle[] = [],
  change: Partial<CatchUpOptions['client']> = {},
): { options: CatchUpOptions; accepted: NewArrival[]; calls: Calls } {
  const calls: Calls = { rids: [], manifests: [], bundles: [] }
  const accepted: NewArrival[] = []
  const byRid = new Map(theirs.map((bundle) => [bundle.manifest.rid, bundle]))
  const found = (rids: readonly Rid[]): readonly Bundle[] => rids.flatMap((rid) => byRid.get(rid) ?? [])
  const client: CatchUpOptions['client'] = {
    fetchRids: (_node, types) => {
      calls.rids.push(types)
      return Promise.resolve([...byRid.keys()])
    },
    fetchManifests: (_node, { rids = [] }) => {
      calls.manifests.push(rids.length)
      return Promise.resolve({ manifests: found(rids).map(({ manifest }) => manifest), notFound: [] })
    },
    fetchBundles: (_node, rids) => {
      calls.bundles.push(rids.length)
      return Promise.resolve({ bundles: found(rids), notFound: [], deferred: [] })
    },
    ...change,
  }
  const store: CatchUpOptions['store'] = {
    readManifests: (rids) =>
      Promise.resolve(ours.map(({ manifest }) => manifest).filter(({ rid }: Manifest) => rids.includes(rid))),
    accept: (arrivals) => {
      accepted.push(...arrivals)
      return Promise.resolve({ places: arrivals.map((_, index) => index), repeated: false })
    },
  }
  return { options: { self, client, store, log: silentLogger }, accepted, calls }
}

describe('catchUp', () => {
  it('accepts what is missing, or newer and other there, with its source and no event type', async () => {
    const theirs = [
      testBundle('missing'),
      testBundle('newer', { v: 2 }, 9),
      testBundle('older', { v: 1 }, 1),
      testBundle('same', {}, 9),
    ]
    const ours = [testBundle('newer', { v: 1 }, 5), testBundle('older', { v: 2 }, 5), testBundle('same', {}, 5)]
    const { options, accepted, calls } = setup(theirs, ours)
    expect(await catchUp(peer, [DATASET.name], options, signal)).toBe(2)
    expect(accepted).toEqual(
      theirs.slice(0, 2).map(({ manifest, contents }) => ({ rid: manifest.rid, manifest, contents, source: peer })),
    )
    expect(calls).toEqual({ rids: [[DATASET.name]], manifests: [4, 2], bundles: [2] })
  })

  it('asks for manifests by 200 and bundles by 50', async () => {
    const { options, accepted, calls } = setup(Array.from({ length: 430 }, (_, index) => testBundle(`${index}`)))
    expect(await catchUp(peer, [], options, signal)).toBe(430)
    expect(accepted).toHaveLength(430)
    expect(calls.manifests.filter((count) => count !== 50)).toEqual([200, 200, 30, 30])
    expect(calls.manifests.filter((count) => count === 50)).toHaveLength(8)
    expect(calls.bundles).toEqual([50, 50, 50, 50, 50, 50, 50, 50, 30])
  })

  it('takes nothing about itself, of types not asked for, with RIDs too long, or not asked for', async () => {
    const own = { ...testBundle('x'), manifest: { ...testBundle('x').manifest, rid: self } }
    const { options, accepted } = setup([own, testBundle('a'.repeat(200)), testBundle('good')], [], {
      fetchBundles: () =>
        Promise.resolve({ bundles: [testBundle('good'), testBundle('pushed')], notFound: [], deferred: [] }),
    })
    expect(await catchUp(peer, [DATASET.name], options, signal)).toBe(1)
    expect(accepted.map(({ rid }) => rid)).toEqual([DATASET.of('good')])
    expect(await catchUp(peer, ['https'], options, signal)).toBe(0)
    const pushed: Rid[] = []
    const pushing = setup([testBundle('good')], [], {
      fetchManifests: () => Promise.resolve({ manifests: [testBundle('pushed').manifest], notFound: [] }),
      fetchBundles: (_node, rids) => {
        pushed.push(...rids)
        return Promise.resolve({ bundles: [], notFound: [], deferred: [] })
      },
    })
    await catchUp(peer, [], pushing.options, signal)
    expect(pushed).toEqual([])
  })

  it('asks again for what was deferred, and stops when nothing comes', async () => {
    const theirs = ['1', '2', '3'].map((reference) => testBundle(reference))
    const asked: number[] = []
    const { options, accepted } = setup(theirs, [], {
      fetchBundles: (_node, rids) => {
        asked.push(rids.length)
        const [first, ...rest] = rids
        if (asked.length === 3) return Promise.resolve({ bundles: [], notFound: [], deferred: rids })
        return Promise.resolve({
          bundles: theirs.filter(({ manifest }) => manifest.rid === first),
          notFound: [],
          deferred: rest,
        })
      },
    })
    expect(await catchUp(peer, [], options, signal)).toBe(2)
    expect(asked).toEqual([3, 2, 1])
    expect(accepted.map(({ rid }) => rid)).toEqual([DATASET.of('1'), DATASET.of('2')])
  })

  it('forgets what the node forgot while its bundle was on the way', async () => {
    const theirs = [testBundle('stays'), testBundle('goes')]
    const goes = DATASET.of('goes')
    let fetched = false
    const { options, accepted } = setup(theirs, [], {
      fetchManifests: (_node, { rids = [] }) => {
        const known = theirs.map(({ manifest }) => manifest).filter(({ rid }) => rids.includes(rid))
        if (!fetched) return Promise.resolve({ manifests: known, notFound: [] })
        // What nobody asked for is no business of this peer.
        const notFound = [goes, goes, DATASET.of('another')]
        return Promise.resolve({ manifests: known.filter(({ rid }) => rid !== goes), notFound })
      },
      fetchBundles: () => {
        fetched = true
        return Promise.resolve({ bundles: theirs, notFound: [], deferred: [] })
      },
    })
    await catchUp(peer, [], options, signal)
    expect(accepted.slice(2)).toEqual([{ rid: goes, eventType: 'FORGET', source: peer }])
  })

  it('does not ask again for nodes, which a handshake forgets and makes new', async () => {
    const { options, accepted, calls } = setup([profileBundle(testIdentity('other', 'http://other.example/koi-net'))])
    await catchUp(peer, [], options, signal)
    expect(accepted).toHaveLength(1)
    expect(calls.manifests).toEqual([1])
  })

  it('stops between chunks when told to', async () => {
    const stop = new AbortController()
    const { options, accepted } = setup(
      Array.from({ length: 120 }, (_, index) => testBundle(`${index}`)),
      [],
    )
    const accept = options.store.accept
    options.store.accept = (arrivals) => {
      stop.abort()
      return accept(arrivals)
    }
    expect(await catchUp(peer, [], options, stop.signal)).toBe(50)
    expect(accepted).toHaveLength(50)
  })
})

describe('CatchUps', () => {
  const backoff = { baseMs: 1, factor: 1, capMs: 1 }

  it('puts requests for one node together, and runs one at a time for each', async () => {
    const { options, calls } = setup([])
    let running = 0
    let most = 0
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => (release = resolve))
    const fetchRids = options.client.fetchRids.bind(options.client)
    options.client.fetchRids = async (node, types) => {
      most = Math.max(most, ++running)
      await held
      running -= 1
      return await fetchRids(node, types)
    }
    const catchUps = new CatchUps({ ...options, backoff })
    catchUps.request(peer, ['a'])
    catchUps.request(peer, ['b', 'a'])
    catchUps.request(self, ['a'])
    await until(() => running === 1)
    catchUps.request(peer, [])
    catchUps.request(peer, ['c'])
    await new Promise((resolve) => setTimeout(resolve, 20))
    release()
    await catchUps.idle()
    expect(calls.rids).toEqual([['a', 'b'], []])
    expect(most).toBe(1)
  })

  it('tries again what may work later, and gives up on what will not', async () => {
    const log = recordingLogger()
    const failures = [
      new PeerError('UNREACHABLE', peer, 'down', { retryable: true }),
      new Error('the store is away'),
      undefined,
      new PeerError('BAD_REPLY', peer, 'nonsense', { retryable: false }),
    ]
    let calls = 0
    const { options } = setup([], [], {
      fetchRids: () => {
        const failure = failures[calls++]
        return failure === undefined ? Promise.resolve([]) : Promise.reject(failure)
      },
    })
    const catchUps = new CatchUps({ ...options, log, backoff })
    catchUps.request(peer, [])
    await until(() => calls === 3)
    await catchUps.idle()
    catchUps.request(peer, [])
    await catchUps.idle()
    expect(calls).toBe(4)
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'could not catch up, left until the node is met again',
    ])
  })

  it('waits for a node that is away for as long as it takes', async () => {
    let calls = 0
    const { options } = setup([], [], {
      fetchRids: () =>
        ++calls < 200
          ? Promise.reject(new PeerError('UNREACHABLE', peer, 'down', { retryable: true }))
          : Promise.resolve([]),
    })
    const catchUps = new CatchUps({ ...options, backoff })
    catchUps.request(peer, [])
    await until(() => calls === 200)
    await catchUps.idle()
    expect(calls).toBe(200)
  })

  it('stops in the middle of its retries', async () => {
    let calls = 0
    const { options } = setup([], [], {
      fetchRids: () => {
        calls += 1
        return Promise.reject(new PeerError('UNREACHABLE', peer, 'down', { retryable: true }))
      },
    })
    const catchUps = new CatchUps({ ...options, backoff: { baseMs: 3_600_000, factor: 1, capMs: 3_600_000 } })
    catchUps.request(peer, [])
    await until(() => calls === 1)
    await catchUps.idle()
    await catchUps.stop()
    catchUps.request(peer, [])
    await catchUps.idle()
    expect(calls).toBe(1)
  })
})
