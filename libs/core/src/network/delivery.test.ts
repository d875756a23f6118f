import { afterEach, describe, expect, it } from 'vitest'
import {
  asRid,
  edgeProfileContents,
  edgeRid,
  eventText,
  forgetEvent,
  generateBundle,
  nodeProfileContents,
} from '@koi-mcp/protocol'
import type { Bundle, EventType, Rid } from '@koi-mcp/protocol'
import {
  DATASET,
  newEvent,
  profileBundle,
  recordingLogger,
  requestOf,
  storeWith,
  testBundle,
  testIdentity,
  testServer,
  until,
} from '../../test/peers.ts'
import { HandQueue } from '../../test/hand-queue.ts'
import { takeLane } from '../../test/lanes.ts'
import type { Answer, TestServer } from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { NO_EMISSIONS } from '../store/node-store.ts'
import type { Emissions, NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { addressBook } from './address-book.ts'
import { DeliveryWorker } from './delivery.ts'
import type { DeliveryOptions } from './delivery.ts'
import { HttpExchange } from './http-exchange.ts'
import { HttpPeerClient } from './http-peer-client.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

const OK: Answer = { status: 200, body: 'null' }
const refusal = (error: string): Answer => ({ status: 400, body: `{"type":"error_response","error":"${error}"}` })

interface Peer {
  readonly identity: NodeIdentity
  readonly server: TestServer
}

/** A node whose outbox is served by a worker, and full nodes that it knows. */
async function setup(
  peers: number,
  change: Partial<DeliveryOptions> = {},
  wrap: (store: NodeStore) => NodeStore = (store) => store,
) {
  const clock = { now: 1_700_000_000_000 }
  const store = await openSqliteStore({ path: ':memory:', clock: () => clock.now })
  opened.push(() => store.close())
  const us = testIdentity('us', 'http://us.example/koi-net')
  const graph = new NetworkGraph(us.rid)
  const known: Peer[] = []
  for (let index = 0; index < peers; index++) known.push(await fullNode(`peer${index}`))
  for (const { identity } of known) graph.observe(identity.rid, nodeProfileContents(identity.profile))
  const http = new HttpExchange({ requestTimeoutMs: 50_000 })
  opened.push(() => http.close())
  const log = recordingLogger()
  const addressOf = addressBook(graph)
  const worker = new DeliveryWorker({
    store: wrap(store),
    client: new HttpPeerClient({ identity: us, addressOf, http, log }),
    graph,
    addressOf,
    ownProfileEvent: () => Promise.resolve(newEvent(profileBundle(us))),
    log,
    clock: () => clock.now,
    lingerMs: 1,
    ...change,
  })
  opened.push(() => worker.stop())
  return { store, graph, worker, clock, log, us, peers: known as [Peer, ...Peer[]] }
}

async function fullNode(name: string): Promise<Peer> {
  const server = await testServer(() => OK)
  opened.push(() => server.close())
  return { server, identity: testIdentity(name, `${server.origin}/koi-net`) }
}

/** Caches the bundle and queues its event for the targets; what else is emitted with it is queued too. */
async function announce(
  store: NodeStore,
  bundle: Bundle,
  targets: readonly Rid[],
  emissions: Emissions = NO_EMISSIONS,
): Promise<void> {
  const { manifest, contents } = bundle
  await store.accept([{ rid: manifest.rid, manifest, contents }])
  for (let lease = await takeLane(store); lease; lease = await takeLane(store)) {
    const next = await store.nextArrival(lease)
    if (next !== undefined) {
      await store.apply(lease, next.place, { kind: 'write', normalizedEventType: 'NEW', bundle }, NO_EMISSIONS)
      await store.announce(lease, next.place, targets, emissions)
      await store.finish(lease, next.place, NO_EMISSIONS)
    }
    await store.releaseLane(lease)
  }
}

const sends = (target: Rid, ...events: readonly { rid: Rid; eventText: string }[]): Emissions => ({
  arrivals: [],
  sends: events.map((event) => {
    const { event_type: eventType } = JSON.parse(event.eventText) as { event_type: EventType }
    return { ...event, eventType, target }
  }),
})

/** The RIDs in each envelope that the peer got. */
function received({ server }: Peer): string[][] {
  return server.requests.map(({ body }) =>
    requestOf(body, 'events_payload').events.map(({ ok }) => `${ok!.event_type} ${ok!.rid}`),
  )
}

const news = (...references: readonly string[]): string[] =>
  references.map((reference) => `NEW ${DATASET.of(reference)}`)

describe('DeliveryWorker', () => {
  it('keeps what waits for unknown nodes for so long, and for so many of them', async () => {
    const { store, worker, clock, log } = await setup(0, { unknownTargetMs: 100_000, maxUnknownTargets: 2 })
    const [old, early, late, last] = ['old', 'early', 'late', 'last'].map((name) => testIdentity(name).rid) as [
      Rid,
      Rid,
      Rid,
      Rid,
    ]
    const waiting = async () => (await store.outboxState()).map(({ target }) => target).sort()
    await announce(store, testBundle('1'), [old])
    clock.now += 99_000
    await announce(store, testBundle('2'), [early])
    clock.now += 1_000
    worker.start()
    await until(async () => (await waiting()).length === 1)
    expect(await waiting()).toEqual([early])
    for (const target of [late, last]) {
      clock.now += 1
      await announce(store, testBundle(target), [target])
    }
    expect(await waiting()).toHaveLength(3)
    // The next sweep; by then nothing has waited for 100 s.
    clock.now += 60_000
    await until(async () => (await waiting()).length === 2)
    expect(await waiting()).toEqual([late, last].sort())
    const dropped = log.lines.filter(({ message }) => message.startsWith('dropped')).map(({ fields }) => fields)
    expect(dropped).toEqual([old, early].map((peer) => ({ peer, count: 1 })))
  })

  it('[OUT-1] delivers what is queued, in order and in one envelope, and it is gone', async () => {
    const { store, worker, peers } = await setup(2)
    const targets = peers.map(({ identity }) => identity.rid)
    await announce(store, testBundle('1'), targets)
    await announce(store, testBundle('2'), targets)
    worker.start()
    await worker.idle()
    for (const peer of peers) expect(received(peer)).toEqual([news('1', '2')])
    expect(await store.outboxState()).toEqual([])
  })

  it('is woken by what comes while it runs', async () => {
    const { store, worker, peers } = await setup(1)
    worker.start()
    await worker.idle()
    await announce(store, testBundle('1'), [peers[0].identity.rid])
    await until(() => peers[0].server.requests.length === 1)
  })

  it('sends no more than 100 events in one envelope', async () => {
    const { store, worker, peers } = await setup(1)
    const references = Array.from({ length: 230 }, (_, index) => `${1_000 + index}`)
    for (const reference of references) await announce(store, testBundle(reference), [peers[0].identity.rid])
    worker.start()
    await worker.idle()
    expect(received(peers[0]).map((envelope) => envelope.length)).toEqual([100, 100, 30])
    expect(received(peers[0]).flat()).toEqual(news(...references))
  })

  it('keeps what a node that is away has coming, and comes back with growing pauses', async () => {
    const { store, worker, peers, clock, log } = await setup(1, { backoff: { baseMs: 1_000, factor: 2, capMs: 3_000 } })
    const [{ server, identity }] = peers
    server.answer = () => ({ status: 503, body: '' })
    await announce(store, testBundle('1'), [identity.rid])
    worker.start()
    const pauses: number[] = []
    for (let failure = 1; failure <= 4; failure++) {
      await until(async () => (await store.outboxState())[0]?.failures === failure)
      const next = await store.nextDeliveryAt()
      pauses.push(next! - clock.now)
      if (failure === 4) server.answer = () => OK
      clock.now = next!
    }
    await until(async () => (await store.outboxState()).length === 0)
    for (const [index, whole] of [1_000, 2_000, 3_000, 3_000].entries()) {
      expect(pauses[index]).toBeGreaterThanOrEqual(whole * 0.8)
      expect(pauses[index]).toBeLessThanOrEqual(whole)
    }
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
    expect(received(peers[0]).at(-1)).toEqual(news('1'))
  })

  it('does not let one node that hangs hold up the others', async () => {
    const { store, worker, peers } = await setup(2)
    const [slow, quick] = peers as unknown as [Peer, Peer]
    let release: (answer: Answer) => void = () => undefined
    slow.server.answer = () => new Promise((resolve) => (release = resolve))
    const targets = peers.map(({ identity }) => identity.rid)
    await announce(store, testBundle('1'), targets)
    worker.start()
    await until(() => slow.server.requests.length === 1)
    await announce(store, testBundle('2'), targets)
    await until(() => received(quick).flat().length === 2)
    // One envelope at a time for each node.
    expect(slow.server.requests).toHaveLength(1)
    slow.server.answer = () => OK
    release(OK)
    await until(() => slow.server.requests.length === 2)
    expect(received(slow)).toEqual([news('1'), news('2')])
  })

  it('calls no more than so many nodes at the same time', async () => {
    let running = 0
    let most = 0
    const { store, worker, peers } = await setup(5, { concurrency: 2 })
    for (const { server } of peers) {
      server.answer = async () => {
        most = Math.max(most, ++running)
        await new Promise((resolve) => setTimeout(resolve, 5))
        running -= 1
        return OK
      }
    }
    await announce(
      store,
      testBundle('1'),
      peers.map(({ identity }) => identity.rid),
    )
    worker.start()
    await until(async () => (await store.outboxState()).length === 0)
    expect(most).toBe(2)
  })

  it('delivers when the queue says so, hands on what it has no room for, and says when it has room again', async () => {
    const queue = new HandQueue()
    const answers: (() => void)[] = []
    const { store, worker, peers } = await setup(2, { queue, concurrency: 1 })
    for (const { server } of peers) {
      server.answer = () => new Promise((resolve) => answers.push(() => resolve(OK)))
    }
    worker.start()
    await queue.taker.room()
    await announce(
      store,
      testBundle('1'),
      peers.map(({ identity }) => identity.rid),
    )
    queue.taker.look()
    await until(() => answers.length === 1)
    queue.taker.look()
    await until(() => queue.handedOn.length > 0)
    let hasRoom = false
    const room = queue.taker.room().then(() => (hasRoom = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(hasRoom).toBe(false)
    answers.shift()!()
    await until(() => answers.length === 1)
    answers.shift()!()
    await room
    await until(async () => (await store.outboxState()).length === 0)
    expect(new Set(queue.handedOn)).toEqual(new Set(['deliveries']))
  })

  it('introduces itself, in front, to a node that does not know it', async () => {
    const { store, worker, peers, us } = await setup(1)
    const [peer] = peers
    peer.server.answer = () => (peer.server.requests.length === 1 ? refusal('unknown_node') : OK)
    await announce(store, testBundle('1'), [peer.identity.rid])
    worker.start()
    await worker.idle()
    expect(received(peer)).toEqual([news('1'), [`NEW ${us.rid}`, ...news('1')]])
    expect(await store.outboxState()).toEqual([])
  })

  it('tries later when it stays unknown', async () => {
    const { store, worker, peers } = await setup(1)
    const [{ server, identity }] = peers
    server.answer = () => refusal('unknown_node')
    await announce(store, testBundle('1'), [identity.rid])
    worker.start()
    await until(async () => (await store.outboxState())[0]?.failures === 1)
    expect(server.requests).toHaveLength(2)
    expect(await store.outboxState()).toMatchObject([
      { queued: 1, lastError: expect.stringContaining('unknown_node') as string },
    ])
  })

  it('leaves out the one event that a node refuses every envelope for, and says so', async () => {
    const { store, worker, peers, log } = await setup(1)
    const [peer] = peers
    peer.server.answer = ({ body }) => (body.includes('"about":"bad"') ? refusal('invalid_signature') : OK)
    const references = ['1', '2', '3', '4', '5', 'bad', '6', '7', '8']
    for (const reference of references) await announce(store, testBundle(reference), [peer.identity.rid])
    worker.start()
    await worker.idle()
    const taken = peer.server.requests.filter(({ body }) => !body.includes('"about":"bad"'))
    const events = taken.flatMap(({ body }) => requestOf(body, 'events_payload').events.map(({ ok }) => ok!.rid))
    expect(events).toEqual(references.filter((reference) => reference !== 'bad').map(DATASET.of))
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([{ fields: { rid: DATASET.of('bad') } }])
    expect(await store.outboxState()).toEqual([])
  })

  it('gives up no event of a node that comes back while it is being found out', async () => {
    const { store, worker, peers, log } = await setup(1)
    const [peer] = peers
    let isBack = false
    peer.server.answer = ({ body }) => {
      isBack ||= requestOf(body, 'events_payload').events.length === 0
      return isBack ? OK : { status: 404, body: 'starting' }
    }
    await announce(store, testBundle('1'), [peer.identity.rid])
    worker.start()
    await worker.idle()
    expect(await store.outboxState()).toEqual([])
    expect(received(peer)).toEqual([news('1'), [], news('1')])
    expect(log.lines.filter(({ level }) => level === 'error')).toEqual([])
  })

  it('holds a batch for as long as its call takes', async () => {
    let renewals = 0
    const { store, worker, peers, clock } = await setup(1, { leaseMs: 60 }, (inner) =>
      storeWith(inner, {
        renewDeliveries: async (batch, leaseMs) => {
          await inner.renewDeliveries(batch, leaseMs)
          renewals += 1
        },
      }),
    )
    const [peer] = peers
    const { promise, resolve } = Promise.withResolvers<Answer>()
    peer.server.answer = () => promise
    await announce(store, testBundle('1'), [peer.identity.rid])
    worker.start()
    for (let times = 0; times < 4; times++) {
      const before = renewals
      await until(() => renewals > before)
      clock.now += 50
      expect(await store.dueTargets(1)).toEqual([])
    }
    resolve(OK)
    await worker.idle()
    expect(await store.outboxState()).toEqual([])
    expect(received(peer)).toEqual([news('1')])
  })

  it('puts right what it sent after its lease was over', async () => {
    const { store, worker, peers, clock, log } = await setup(1, { leaseMs: 1_000 })
    const [peer] = peers
    const { promise, resolve } = Promise.withResolvers<Answer>()
    peer.server.answer = () => promise
    await announce(store, testBundle('1'), [peer.identity.rid])
    worker.start()
    await until(() => received(peer).length === 1)
    clock.now += 1_000
    peer.server.answer = () => OK
    resolve(OK)
    await until(() => received(peer).length === 2)
    await worker.idle()
    const forgotten = news('1').map((event) => event.replace('NEW', 'FORGET'))
    expect(received(peer)).toEqual([news('1'), [...forgotten, ...news('1')]])
    expect(log.lines.filter(({ level }) => level === 'warn')).toMatchObject([{ fields: { count: 1 } }])
    expect(await store.outboxState()).toEqual([])
  })

  it('does not send a batch whose lease was over before it came', async () => {
    let stands = 1
    const { store, worker, peers } = await setup(1, { leaseMs: 50 }, (inner) =>
      storeWith(inner, {
        takeDeliveries: async (...asked) => {
          const batch = await inner.takeDeliveries(...asked)
          if (stands-- > 0) {
            await inner.deliveriesDone(batch!)
            await new Promise((resume) => setTimeout(resume, 60))
          }
          return batch
        },
      }),
    )
    await announce(store, testBundle('1'), [peers[0].identity.rid])
    worker.start()
    await until(() => stands < 0)
    await worker.idle()
    expect(received(peers[0])).toEqual([])
  })

  it.each(['invalid_signature', 'invalid_key', 'invalid_target'])(
    'gives up no event of a node that refuses everything with %s',
    async (error) => {
      const { store, worker, peers } = await setup(1)
      const [{ server, identity }] = peers
      server.answer = () => refusal(error)
      await announce(store, testBundle('1'), [identity.rid])
      await announce(store, testBundle('2'), [identity.rid])
      worker.start()
      await until(async () => ((await store.outboxState())[0]?.failures ?? 0) >= 1)
      await worker.idle()
      expect(await store.outboxState()).toMatchObject([{ queued: 2 }])
    },
  )

  it('leaves the events of partial nodes for their polls, and those of strangers until they are known', async () => {
    const { store, worker, graph, clock, log } = await setup(0)
    const partial = testIdentity('partial')
    const later = await fullNode('later')
    graph.observe(partial.rid, nodeProfileContents(partial.profile))
    await announce(store, testBundle('1'), [partial.rid, later.identity.rid])
    worker.start()
    await worker.idle()
    expect((await store.outboxState()).map(({ queued, failures }) => [queued, failures])).toEqual([
      [1, 0],
      [1, 0],
    ])
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields)).toEqual([
      { peer: later.identity.rid },
    ])
    graph.observe(later.identity.rid, nodeProfileContents(later.identity.profile))
    await until(() => later.server.requests.length === 1)
    expect(clock.now).toBe(1_700_000_000_000)
  })

  it.each<[string, Answer | 'away', number]>([
    ['is away', 'away', 1],
    ['answers 500', { status: 500, body: '' }, 1],
    ['redirects', { status: 307, body: '', headers: { location: 'http://127.0.0.1:9/' } }, 1],
    ['never answers', { status: 200, body: '', hangs: true }, 1],
    ['answers 200 to nothing that it keeps', { status: 200, body: '' }, 0],
  ])('delivers to others beside a target that %s', async (_, answer, queued) => {
    const { store, worker, peers, log } = await setup(2)
    const [liar, healthy] = peers as [Peer, Peer]
    if (answer === 'away') await liar.server.close()
    else liar.server.answer = () => answer
    // Before the worker is stopped, which would wait for the answer.
    opened.push(() => liar.server.close())
    const targets = [liar.identity.rid, healthy.identity.rid]
    await announce(store, testBundle('1'), targets)
    worker.start()
    await until(() => healthy.server.requests.length === 1)
    await until(async () => (await store.outboxState()).length === queued)
    await announce(store, testBundle('2'), targets)
    await until(() => healthy.server.requests.length === 2)
    await until(async () => (await store.outboxState()).every(({ target }) => target === liar.identity.rid))
    const failures = log.lines.filter(({ message }) => message === 'could not deliver, will try again')
    for (const { fields } of failures) expect(fields).toMatchObject({ peer: liar.identity.rid })
  })

  it('keeps room for others when those that failed do not answer', async () => {
    const { store, worker, peers, clock } = await setup(10, {
      concurrency: 8,
      backoff: { baseMs: 1, factor: 1, capMs: 1 },
    })
    const [healthy, ...failing] = peers
    const ended = Promise.withResolvers<Answer>()
    opened.push(() => Promise.resolve(ended.resolve(OK)))
    for (const { server } of failing) server.answer = () => ({ status: 500, body: '' })
    await announce(
      store,
      testBundle('1'),
      failing.map(({ identity }) => identity.rid),
    )
    worker.start()
    await until(async () => (await store.outboxState()).every(({ failures }) => failures > 0))
    for (const { server } of failing) server.answer = () => ended.promise
    clock.now += 1_000
    const called = () => failing.filter(({ server }) => server.requests.length > 1).length
    await until(() => called() === 2)
    await announce(store, testBundle('2'), [healthy.identity.rid])
    await until(() => healthy.server.requests.length === 1)
    expect(called()).toBe(2)
  })

  it('finds the nodes that it can call behind any number of those that it cannot', async () => {
    const { store, worker, graph, peers } = await setup(1)
    const [{ server, identity }] = peers
    const { profile } = testIdentity('partial')
    const partials = Array.from({ length: 2_500 }, (_, index) => asRid(`orn:koi-net.node:${index}+${'0'.repeat(64)}`))
    for (const rid of partials) graph.observe(rid, nodeProfileContents(profile))
    await announce(store, testBundle('1'), [...partials, identity.rid])
    worker.start()
    await worker.idle()
    expect(server.requests).toHaveLength(1)
    expect(await store.outboxState()).toHaveLength(2_500)
  })

  it('drops what has waited seven days for a stranger, and lets those lapse whom it knows, once they were called', async () => {
    const { store, worker, peers, graph, clock, log } = await setup(2)
    const [{ server, identity }, other] = peers
    server.answer = () => ({ status: 503, body: '' })
    const partial = testIdentity('partial')
    graph.observe(partial.rid, nodeProfileContents(partial.profile))
    const targets = [identity.rid, partial.rid, testIdentity('stranger').rid, other!.identity.rid]
    await announce(store, testBundle('1'), targets)
    clock.now += 7 * 24 * 3_600_000
    worker.start()
    const lapsed = async () => (await store.lapsedTargets()).map(({ target }) => target)
    await until(async () => (await store.outboxState()).length === 1)
    expect(received(other!)).toEqual([news('1')])
    expect(await lapsed()).toEqual([partial.rid])
    await until(async () => (await store.outboxState())[0]?.failures === 1)
    clock.now += 60_000
    await until(async () => (await store.outboxState()).length === 0)
    expect(await lapsed()).toEqual([identity.rid, partial.rid].sort())
    const gaveUp = log.lines
      .filter(({ message }) => message.startsWith('gave up'))
      .map(({ fields }) => fields?.['peer'])
    expect(gaveUp).toEqual([partial.rid, identity.rid])
  })

  it('says once that events wait long, and once that they do not any more', async () => {
    const { store, worker, peers, clock, log } = await setup(1, { retentionMs: 100_000_000 })
    const [{ server, identity }] = peers
    server.answer = () => ({ status: 503, body: '' })
    await announce(store, testBundle('1'), [identity.rid])
    const said = (start: string) => log.lines.filter(({ message }) => message.startsWith(start))
    const failures = async () => (await store.outboxState())[0]?.failures ?? 0
    clock.now += 3_599_999
    worker.start()
    await until(async () => (await failures()) === 1)
    expect(said('events wait long')).toEqual([])
    // Each look comes in front of the next try.
    for (const tries of [2, 3]) {
      clock.now += 60_000
      await until(async () => (await failures()) === tries)
    }
    expect(said('events wait long')).toMatchObject([{ fields: { peer: identity.rid, count: 1 } }])
    server.answer = () => OK
    clock.now += 60_000
    await until(async () => (await store.outboxState()).length === 0)
    clock.now += 60_000
    await until(() => said('nothing waits long').length === 1)
  })

  it('[HS-2] waits until what a handshake gives rise to is all there, and sends it in one envelope', async () => {
    const { store, worker, peers, us } = await setup(1)
    const [peer] = peers
    const target = peer.identity.rid
    const rid = edgeRid(target, us.rid)
    const edge = edgeProfileContents({
      source: target,
      target: us.rid,
      edge_type: 'WEBHOOK',
      status: 'PROPOSED',
      rid_types: [],
    })
    // The newcomer's own profile is still being worked on, its answer already queued.
    await store.accept([{ rid: peer.identity.rid, ...profileBundle(peer.identity), source: target }])
    const lease = (await store.takeLanes('test', 60_000, 1))[0]!.lease
    const first = (await store.nextArrival(lease))!
    await store.apply(
      lease,
      first.place,
      { kind: 'write', normalizedEventType: 'NEW', bundle: profileBundle(peer.identity) },
      NO_EMISSIONS,
    )
    await store.announce(lease, first.place, [], {
      arrivals: [{ rid, contents: edge }],
      sends: [{ target, rid: us.rid, eventType: 'NEW', eventText: newEvent(profileBundle(us)) }],
    })
    worker.start()
    await new Promise((resolve) => setTimeout(resolve, 40))
    await store.finish(lease, first.place, NO_EMISSIONS)
    const second = (await store.nextArrival(lease))!
    const bundle = generateBundle(rid, edge, second.manifest!.timestamp)
    await store.apply(lease, second.place, { kind: 'write', normalizedEventType: 'NEW', bundle }, NO_EMISSIONS)
    await store.announce(lease, second.place, [target], NO_EMISSIONS)
    await store.finish(lease, second.place, NO_EMISSIONS)
    await store.releaseLane(lease)
    await worker.idle()
    expect(received(peer)).toEqual([[`NEW ${us.rid}`, `NEW ${rid}`]])
  })

  it('waits for a handshake no longer than it was told', async () => {
    const { store, worker, peers } = await setup(1, { handshakeWaitMs: 20 })
    const [peer] = peers
    await announce(store, testBundle('1'), [peer.identity.rid])
    await store.accept([{ rid: peer.identity.rid, ...profileBundle(peer.identity), source: peer.identity.rid }])
    worker.start()
    await worker.idle()
    expect(received(peer)).toEqual([news('1')])
  })

  it('keeps node events apart, and in order: a handshake is a FORGET and then a NEW', async () => {
    const { store, worker, peers, us } = await setup(1)
    const [peer] = peers
    const { rid } = us
    const emissions = sends(
      peer.identity.rid,
      { rid, eventText: eventText(forgetEvent(rid)) },
      { rid, eventText: newEvent(profileBundle(us)) },
    )
    await announce(store, testBundle('1'), [], emissions)
    worker.start()
    await worker.idle()
    expect(received(peer)).toEqual([[`FORGET ${rid}`, `NEW ${rid}`]])
  })

  it('ends what is on its way when it stops, and takes nothing new', async () => {
    const { store, worker, peers } = await setup(1)
    const [peer] = peers
    let release: (answer: Answer) => void = () => undefined
    peer.server.answer = () => new Promise((resolve) => (release = resolve))
    await announce(store, testBundle('1'), [peer.identity.rid])
    worker.start()
    await until(() => peer.server.requests.length === 1)
    await announce(store, testBundle('2'), [peer.identity.rid])
    const stopped = worker.stop()
    release(OK)
    await stopped
    expect(received(peer)).toEqual([news('1')])
    expect((await store.outboxState()).map(({ queued }) => queued)).toEqual([1])
    await worker.idle()
  })

  it('survives a store that fails for a while', async () => {
    let failures = 2
    const { store, worker, peers, log } = await setup(1, {}, (store) =>
      storeWith(store, {
        dueTargets: (...args) => (failures-- > 0 ? Promise.reject(new Error('locked')) : store.dueTargets(...args)),
      }),
    )
    await announce(store, testBundle('1'), [peers[0].identity.rid])
    worker.start()
    await until(async () => (await store.outboxState()).length === 0)
    expect(log.lines.map(({ message }) => message)).toContain('delivery is held up by the store')
  })

  it('sends a batch again whose outcome the store did not take', async () => {
    let failures = 1
    const { store, worker, peers, clock } = await setup(1, {}, (store) =>
      storeWith(store, {
        deliveriesDone: (batch) => (failures-- > 0 ? Promise.reject(new Error('full')) : store.deliveriesDone(batch)),
      }),
    )
    await announce(store, testBundle('1'), [peers[0].identity.rid])
    worker.start()
    await until(() => peers[0].server.requests.length === 1)
    clock.now += 3_600_000
    await until(async () => (await store.outboxState()).length === 0)
    expect(received(peers[0])).toEqual([news('1'), news('1')])
  })
})
