import { afterEach, describe, expect, it } from 'vitest'
import { edgeProfileContents, edgeRid, KOI_NET_NODE, nodeProfileContents } from '@koi-mcp/protocol'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import { takeLane } from '../../test/lanes.ts'
import {
  DATASET,
  profileBundle,
  recordingLogger,
  storeWith,
  testBundle,
  testIdentity,
  until,
} from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { PeerList } from '../security/peer-list.ts'
import { NO_EMISSIONS } from '../store/node-store.ts'
import type { NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { addressBook } from './address-book.ts'
import { PeerError } from './peer-client.ts'
import { Returns } from './returns.ts'
import type { ReturnsOptions } from './returns.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

const NEVER = new AbortController().signal
const away = (peer: Rid) => new PeerError('UNREACHABLE', peer, 'away', { retryable: true })

/** A store and what looks after those who come back, with a subscriber that can be called and one that polls. */
async function setup(change: Partial<ReturnsOptions> = {}) {
  const clock = { now: 1_700_000_000_000 }
  const store = await openSqliteStore({ path: ':memory:', clock: () => clock.now })
  opened.push(() => store.close())
  const us = testIdentity('us', 'http://us.example/koi-net', [DATASET.name, KOI_NET_NODE.name])
  const graph = new NetworkGraph(us.rid)
  const full = testIdentity('full', 'http://full.example/koi-net')
  const partial = testIdentity('partial')
  for (const peer of [full, partial]) {
    graph.observe(peer.rid, nodeProfileContents(peer.profile))
    subscribe(graph, us, peer, [DATASET.name, 'orn:test.not-ours'])
  }
  const calls: (readonly [Rid, readonly string[]])[] = []
  const peer = { answer: (target: Rid): Promise<void> => Promise.reject(away(target)) }
  const log = recordingLogger()
  const options: ReturnsOptions = {
    identity: us,
    store,
    graph,
    addressOf: addressBook(graph),
    client: {
      broadcastEvents: (target, texts) => {
        calls.push([target, texts])
        return peer.answer(target)
      },
    },
    ownProfileEvent: () => Promise.resolve('our profile'),
    log,
    clock: () => clock.now,
    ...change,
  }
  const lapse = async (...targets: readonly Rid[]) => {
    await cache(store, testBundle('lost'), targets)
    for (const target of targets) await store.lapseDeliveries(target, clock.now)
  }
  return { store, graph, us, full: full.rid, partial: partial.rid, calls, peer, log, clock, options, lapse }
}

function subscribe(graph: NetworkGraph, provider: NodeIdentity, { rid }: NodeIdentity, types: readonly string[]): void {
  const ends = { source: provider.rid, target: rid }
  const edge = edgeProfileContents({ ...ends, edge_type: 'POLL', status: 'APPROVED', rid_types: types })
  graph.observe(edgeRid(provider.rid, rid), edge)
}

/** Caches the bundle, or forgets it, and queues the news. */
async function cache(store: NodeStore, bundle: Bundle, targets: readonly Rid[] = [], origin?: Rid, forget = false) {
  await store.accept([{ rid: bundle.manifest.rid, ...bundle }])
  const lease = (await takeLane(store))!
  const { place } = (await store.nextArrival(lease))!
  const write = { kind: 'write', normalizedEventType: 'NEW', bundle, origin } as const
  await store.apply(lease, place, forget ? { kind: 'forget' } : write, NO_EMISSIONS)
  await store.announce(lease, place, targets, NO_EMISSIONS)
  await store.finish(lease, place, NO_EMISSIONS)
  await store.releaseLane(lease)
}

async function told(store: NodeStore, target: Rid): Promise<string[]> {
  const batch = await store.takeDeliveries(target, { owner: 'd', leaseMs: 1000, limit: 0, ignoreDue: true })
  if (batch === undefined) return []
  await store.deliveriesDone(batch)
  const events = batch.eventTexts.map((text) => JSON.parse(text) as { rid: string; event_type: string })
  return events.map(({ rid, event_type }) => `${event_type} ${rid.replace('orn:test.dataset:', '')}`)
}

describe('a subscriber whose events were given up', () => {
  it('is called from time to time, and told the state of today when it answers', async () => {
    const { store, full, calls, peer, clock, options, lapse } = await setup()
    await cache(store, testBundle('gone'))
    await lapse(full)
    await cache(store, testBundle('gone'), [], undefined, true)
    await cache(store, testBundle('late'), [full])
    const returns = new Returns(options)
    await returns.look(NEVER)
    clock.now += 59_000
    await returns.look(NEVER)
    expect(calls).toEqual([[full, []]])
    expect(await told(store, full)).toEqual([])
    peer.answer = () => Promise.resolve()
    clock.now += 1_000
    await returns.look(NEVER)
    expect(calls).toHaveLength(2)
    await returns.look(NEVER)
    expect(await told(store, full)).toEqual(['FORGET gone', 'NEW late', 'NEW lost'])
    expect(await store.lapsedTargets()).toEqual([])
    await returns.look(NEVER)
    expect(calls).toHaveLength(2)
  })

  it('is introduced to this node again when it has forgotten it', async () => {
    const { full, calls, peer, options, lapse } = await setup()
    await lapse(full)
    peer.answer = (target) =>
      calls.length === 1
        ? Promise.reject(new PeerError('UNKNOWN_NODE', target, 'who?', { retryable: true }))
        : Promise.resolve()
    await new Returns(options).look(NEVER)
    expect(calls).toEqual([
      [full, []],
      [full, ['our profile']],
    ])
    expect(await options.store.lapsedTargets()).toMatchObject([{ resumed: true }])
  })

  it('is back when it calls or polls, without being called', async () => {
    const { store, partial, calls, options, lapse } = await setup()
    const returns = new Returns(options)
    const stopping = new AbortController()
    returns.met(partial)
    await lapse(partial)
    const running = returns.run(stopping.signal)
    await until(async () => {
      returns.met(partial)
      return (await store.lapsedTargets()).length === 0
    })
    stopping.abort()
    await running
    expect(await told(store, partial)).toEqual(['NEW lost'])
    expect(calls).toEqual([])
  })

  it('is told of the types that it subscribes to and may hear of, and nothing that it told itself', async () => {
    const { store, graph, us, full, partial, options, lapse } = await setup()
    await lapse(full, partial)
    const other = testIdentity('other')
    subscribe(graph, us, { ...other, rid: full }, [DATASET.name, KOI_NET_NODE.name, 'orn:test.not-ours'])
    await cache(store, profileBundle(other), [], other.rid)
    await cache(store, testBundle('own'), [], full)
    const peers = PeerList.of({ [full]: ['*'], [partial]: ['orn:test.else'] })
    const returns = new Returns({ ...options, peers })
    for (const target of [full, partial]) await store.resumeDeliveries(target)
    await returns.look(NEVER)
    expect((await told(store, full)).sort()).toEqual([`NEW ${other.rid}`, 'NEW lost'].sort())
    expect(await told(store, partial)).toEqual([])
    expect(await store.lapsedTargets()).toEqual([])
  })

  it('is told everything by the next process where one ends on the way', async () => {
    const { store, full, options, lapse } = await setup()
    await lapse(full)
    for (let n = 0; n < 1_200; n++) await cache(store, testBundle(`${n}`))
    await store.resumeDeliveries(full)
    const stopping = new AbortController()
    const breaking = storeWith(store, {
      queueState: async (...args) => {
        await store.queueState(...args)
        stopping.abort()
      },
    })
    await new Returns({ ...options, store: breaking }).look(stopping.signal)
    expect(await store.outboxState()).toMatchObject([{ target: full, queued: 500 }])
    expect(await store.lapsedTargets()).toMatchObject([{ resumed: true }])
    await new Returns(options).look(NEVER)
    expect(await store.outboxState()).toMatchObject([{ target: full, queued: 1_201 }])
    expect(await store.lapsedTargets()).toEqual([])
  })

  it('is looked after by one process at a time, and resumed by whichever it calls', async () => {
    const { store, full, calls, options, lapse } = await setup()
    await lapse(full)
    const lease = (await store.takeLease('returns', 'another process', 60_000))!
    const returns = new Returns(options)
    await returns.look(NEVER)
    expect(calls).toEqual([])
    returns.met(full)
    await until(async () => (await store.lapsedTargets())[0]?.resumed === true)
    await returns.look(NEVER)
    expect(await store.lapsedTargets()).toHaveLength(1)
    await store.releaseLease(lease)
    await returns.look(NEVER)
    expect(await store.lapsedTargets()).toEqual([])
  })

  it('is forgotten when nobody knows it any more, or it is no longer listed', async () => {
    const { store, graph, full, partial, options, lapse } = await setup()
    await lapse(full, partial)
    graph.observe(full, undefined)
    await new Returns({ ...options, peers: PeerList.of({ [full]: ['*'] }) }).look(NEVER)
    expect(await store.lapsedTargets()).toEqual([])
  })
})
