import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import {
  authenticateEnvelope,
  eventText,
  forgetEvent,
  nodeProfileContents,
  parseContents,
  parseEnvelope,
  parsePayload,
  payloadText,
} from '@koi-mcp/protocol'
import type { Bundle, Contents, PayloadType, ReceivedPayloads, Rid } from '@koi-mcp/protocol'
import { takeLane } from '../../test/lanes.ts'
import {
  DATASET,
  envelopeOf,
  eventsPayload,
  newEvent,
  profileBundle,
  recordingLogger,
  storeWith,
  testBundle,
  testIdentity,
} from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import { NO_EMISSIONS, StoreError } from '../store/node-store.ts'
import type { NewArrival, NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { PeerList } from '../security/peer-list.ts'
import type { NodeReply } from './node-reply.ts'
import { handleRequest } from './request-handler.ts'
import type { RequestDeps } from './request-handler.ts'

const us = testIdentity('us', 'http://us.example/koi-net')
const peer = testIdentity('peer', 'http://peer.example/koi-net')
const stranger = testIdentity('stranger', 'http://stranger.example/koi-net')

const stores: NodeStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
})

async function setup(change: Partial<RequestDeps> = {}) {
  const clock = { now: 1_700_000_000_000 }
  const store = await openSqliteStore({ path: ':memory:', clock: () => clock.now })
  stores.push(store)
  const graph = new NetworkGraph(us.rid)
  graph.observe(peer.rid, nodeProfileContents(peer.profile))
  const log = recordingLogger()
  const deps: RequestDeps = { identity: us, store, graph, log, clock: () => clock.now, ...change }
  const call = (path: string, body: string | Uint8Array): Promise<NodeReply> =>
    handleRequest(path, typeof body === 'string' ? Buffer.from(body) : body, deps)
  return { store, graph, log, clock, call }
}

/** What is in the inbox, in order, worked off. */
async function drain(store: NodeStore): Promise<readonly Pick<NewArrival, 'rid' | 'eventType' | 'source'>[]> {
  const all: { place: number; rid: Rid; eventType: NewArrival['eventType']; source: Rid | undefined }[] = []
  for (let lease = await takeLane(store); lease; lease = await takeLane(store)) {
    for (let next = await store.nextArrival(lease); next; next = await store.nextArrival(lease)) {
      all.push({ place: next.place, rid: next.rid, eventType: next.eventType, source: next.source })
      await store.finish(lease, next.place, NO_EMISSIONS)
    }
    await store.releaseLane(lease)
  }
  return all.sort((a, b) => a.place - b.place).map(({ rid, eventType, source }) => ({ rid, eventType, source }))
}

/** Writes bundles into the cache, and queues them for the targets. */
async function cache(store: NodeStore, bundles: readonly Bundle[], targets: readonly Rid[] = []): Promise<void> {
  await store.accept(bundles.map(({ manifest, contents }) => ({ rid: manifest.rid, manifest, contents })))
  for (let lease = await takeLane(store); lease; lease = await takeLane(store)) {
    for (let next = await store.nextArrival(lease); next; next = await store.nextArrival(lease)) {
      const bundle = { manifest: next.manifest!, contents: next.contents! }
      await store.apply(lease, next.place, { kind: 'write', normalizedEventType: 'NEW', bundle }, NO_EMISSIONS)
      await store.announce(lease, next.place, targets, NO_EMISSIONS)
      await store.finish(lease, next.place, NO_EMISSIONS)
    }
    await store.releaseLane(lease)
  }
}

/** The payload of a reply of ours to the peer, verified. */
function payloadOf<T extends PayloadType>(reply: NodeReply, type: T, to: Rid = peer.rid): ReceivedPayloads[T] {
  expect(reply).toMatchObject({ status: 200, contentType: 'application/json' })
  const envelope = parseEnvelope(reply.body)
  expect(envelope.source_node).toBe(us.rid)
  authenticateEnvelope(envelope, us.profile.public_key, to)
  return parsePayload(envelope.payload, type)
}

const wireError = (error: string) => ({
  status: 400,
  contentType: 'application/json',
  body: `{"type":"error_response","error":"${error}"}`,
})

describe('what is no envelope', () => {
  it('[API-1] answers 404 on any other path, and is exact about the five', async () => {
    const { call } = await setup()
    for (const path of [
      '',
      '/',
      '/events',
      '/events/broadcast/',
      '/koi-net/events/broadcast',
      '/Rids/fetch',
      '__proto__',
    ]) {
      expect(await call(path, '{}')).toMatchObject({ status: 404, body: '{"detail":"Not Found"}' })
    }
  })

  it('answers 413 above the limit and not at it', async () => {
    const { call } = await setup({ limits: { maxBodyBytes: 100 } })
    expect((await call('/rids/fetch', ' '.repeat(101))).status).toBe(413)
    expect((await call('/rids/fetch', ' '.repeat(100))).status).toBe(422)
  })

  it('answers 422 naming the field', async () => {
    const { call } = await setup()
    const envelope = envelopeOf(peer, us.rid, '{"type":"poll_events","limit":-1}')
    expect(await call('/events/poll', envelope)).toMatchObject({
      status: 422,
      body: '{"detail":[{"type":"malformed","loc":["body","payload","limit"],"msg":"must be a whole number, 0 for all; is -1"}]}',
    })
    const bad = profileBundle({ ...stranger, profile: { ...stranger.profile, node_type: 'HALF' as 'FULL' } })
    const reply = await call('/events/broadcast', envelopeOf(stranger, us.rid, eventsPayload(newEvent(bad))))
    expect(reply.status).toBe(422)
    expect(JSON.parse(reply.body)).toMatchObject({
      detail: [{ loc: ['body', 'payload', 'events', 0, 'contents', 'node_type'] }],
    })
  })

  it('answers 422 to more than is taken at once, and takes that much', async () => {
    const { call } = await setup()
    const asking = (count: number) => {
      const rids = Array.from({ length: count }, (_, index) => DATASET.of(`${index}`))
      return call('/bundles/fetch', envelopeOf(peer, us.rid, payloadText({ type: 'fetch_bundles', rids })))
    }
    expect(payloadOf(await asking(10_000), 'bundles_payload').not_found).toHaveLength(10_000)
    expect(await asking(100_000)).toMatchObject({
      status: 422,
      body: '{"detail":[{"type":"too_many","loc":["body","payload","rids"],"msg":"has 100000 items, and at most 10000 are taken at once"}]}',
    })
    expect(await call('/bundles/fetch', `[${'0,'.repeat(1_000_000)}0]`)).toMatchObject({
      status: 422,
      body: '{"detail":[{"type":"too_many","loc":["body"],"msg":"holds more than 1000000 JSON values"}]}',
    })
  })

  it.each([
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['no JSON', '{'],
    ['an array', '[]'],
    ['another path’s payload', envelopeOf(peer, us.rid, payloadText({ type: 'fetch_rids', rid_types: [] }))],
    [
      'half a surrogate pair',
      '{"payload":{},"source_node":"orn:koi-net.node:\\ud800+h","target_node":"","signature":""}',
    ],
    ['nonsense nested deep', `${'['.repeat(100_000)}`],
  ])('answers 4xx to %s', async (_what, body) => {
    const { call } = await setup()
    const { status } = await call('/events/poll', body)
    expect(status === 400 || status === 422).toBe(true)
  })
})

describe('the four errors', () => {
  const rids = payloadText({ type: 'fetch_rids', rid_types: [] })

  it('[ENV-5] come in their order: unknown, key, signature, target', async () => {
    const { call, graph } = await setup()
    const elsewhere = testIdentity('elsewhere').rid
    const forged = (from: typeof peer): string => envelopeOf({ ...stranger, rid: from.rid }, elsewhere, rids)
    expect(await call('/rids/fetch', forged(stranger))).toEqual(wireError('unknown_node'))
    graph.observe(stranger.rid, nodeProfileContents(peer.profile))
    expect(await call('/rids/fetch', forged(stranger))).toEqual(wireError('invalid_key'))
    expect(await call('/rids/fetch', forged(peer))).toEqual(wireError('invalid_signature'))
    expect(await call('/rids/fetch', envelopeOf(peer, elsewhere, rids))).toEqual(wireError('invalid_target'))
    expect((await call('/rids/fetch', envelopeOf(peer, us.rid, rids))).status).toBe(200)
  })

  it('[API-2] says unknown_node to a stranger, unless it brings its own whole profile as NEW', async () => {
    const { call, store } = await setup()
    const own = profileBundle(stranger)
    const bare = `{"rid":${JSON.stringify(stranger.rid)},"event_type":"NEW"}`
    for (const event of [newEvent(own).replace('"NEW"', '"UPDATE"'), bare, newEvent(profileBundle(peer))]) {
      const body = envelopeOf(stranger, us.rid, eventsPayload(event))
      expect(await call('/events/broadcast', body)).toEqual(wireError('unknown_node'))
    }
    const handshake = eventsPayload(eventText(forgetEvent(stranger.rid)), newEvent(own))
    const reply = await call('/events/broadcast', envelopeOf(stranger, us.rid, handshake))
    expect(reply).toEqual({ status: 200, contentType: 'application/json', body: 'null' })
    expect(await drain(store)).toEqual([
      { rid: stranger.rid, eventType: 'FORGET', source: stranger.rid },
      { rid: stranger.rid, eventType: 'NEW', source: stranger.rid },
    ])
  })

  it('does not take a profile with another node’s key', async () => {
    const { call } = await setup()
    const stolen = profileBundle({ ...stranger, profile: peer.profile })
    const body = envelopeOf({ ...peer, rid: stranger.rid }, us.rid, eventsPayload(newEvent(stolen)))
    expect(await call('/events/broadcast', body)).toEqual(wireError('invalid_key'))
  })
})

describe('/events/broadcast', () => {
  const broadcast = (...events: readonly string[]): string => envelopeOf(peer, us.rid, eventsPayload(...events))

  it('takes the good events of a batch, and drops and reports the bad ones', async () => {
    const { call, store, log } = await setup()
    const body = broadcast(
      newEvent(testBundle('1')),
      '{"rid":7}',
      newEvent(profileBundle(us)),
      newEvent(testBundle('2')),
    )
    expect((await call('/events/broadcast', body)).status).toBe(200)
    expect((await drain(store)).map(({ rid }) => rid)).toEqual([DATASET.of('1'), DATASET.of('2')])
    expect(log.lines.filter(({ message }) => message === 'dropped an event')).toHaveLength(2)
  })

  it('keeps the texts as they came', async () => {
    const { call, store } = await setup()
    const contents: Contents = parseContents('{"10":1.0,"2":12345678901234567890,"__proto__":{"ü":"\\u0000"}}')
    const { manifest } = testBundle('odd', contents.value)
    expect((await call('/events/broadcast', broadcast(newEvent({ manifest, contents })))).status).toBe(200)
    const lease = (await store.takeLanes('test', 1_000, 1))[0]?.lease
    const arrival = await store.nextArrival(lease!)
    expect([arrival?.manifest?.text, arrival?.contents?.text]).toEqual([manifest.text, contents.text])
  })

  it('answers 200 to a replay and changes nothing, with s negated too, for a day', async () => {
    const { call, store, clock } = await setup()
    const body = broadcast(newEvent(testBundle('1')))
    const negated = withNegatedS(body)
    expect(negated).not.toBe(body)
    for (const again of [body, body, negated, negated.replace('"payload"', ' "payload"')]) {
      expect(await call('/events/broadcast', again)).toMatchObject({ status: 200, body: 'null' })
    }
    expect(await drain(store)).toHaveLength(1)
    await call('/events/broadcast', broadcast(newEvent(testBundle('1'))))
    expect(await drain(store)).toHaveLength(1)
    clock.now += 25 * 3_600_000
    await call('/events/broadcast', body)
    expect(await drain(store)).toHaveLength(1)
  })

  it('takes 10,000 events of one envelope in order, in steps, and goes on behind those that were made', async () => {
    const { store } = await setup()
    const sizes: number[] = []
    let left = 3
    const accept: NodeStore['accept'] = async (arrivals, once) => {
      if (left-- === 0) throw new StoreError('UNAVAILABLE', 'for a moment')
      const accepted = await store.accept(arrivals, once)
      sizes.push(accepted.repeated ? 0 : arrivals.length)
      return accepted
    }
    const { call } = await setup({ store: storeWith(store, { accept }) })
    const rids = Array.from({ length: 10_000 }, (_, index) => DATASET.of(`${index % 5_000}`))
    const body = broadcast(...rids.map((rid) => eventText(forgetEvent(rid))))
    expect((await call('/events/broadcast', body)).status).toBe(503)
    expect((await call('/events/broadcast', body)).status).toBe(200)
    expect((await call('/events/broadcast', body)).status).toBe(200)
    const thousand = (count: number) => Array.from({ length: count }, () => 1_000)
    expect(sizes).toEqual([...thousand(3), 0, 0, 0, ...thousand(7), ...thousand(10).map(() => 0)])
    expect((await drain(store)).map(({ rid }) => rid)).toEqual(rids)
  })

  it('is durable when it answers', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'koi-requests-'))
    const path = join(folder, 'node.db')
    const store = await openSqliteStore({ path })
    const { call } = await setup({ store })
    expect((await call('/events/broadcast', broadcast(newEvent(testBundle('1'))))).status).toBe(200)
    await store.close()
    const again = await openSqliteStore({ path })
    stores.push(again)
    expect(await drain(again)).toEqual([{ rid: DATASET.of('1'), eventType: 'NEW', source: peer.rid }])
    rmSync(folder, { recursive: true })
  })

  it.each(['UNAVAILABLE', 'FULL', 'DAMAGED'] as const)(
    'answers 503 with the time to come back when the store is %s',
    async (code) => {
      const { store } = await setup()
      const failing = storeWith(store, {
        accept: () => Promise.reject(new StoreError(code, 'no space left in /secret/place')),
      })
      const { call } = await setup({ store: failing })
      expect(await call('/events/broadcast', broadcast(newEvent(testBundle('1'))))).toEqual({
        status: 503,
        contentType: 'application/json',
        body: '{"detail":"The store is not available, try again later","retry_after":5}',
        retryAfter: 5,
      })
    },
  )

  it('tells nothing of the inside when it fails for another reason', async () => {
    const { store } = await setup()
    const failing = storeWith(store, {
      accept: () => Promise.reject(new Error('inside')),
    })
    const { call, log } = await setup({ store: failing })
    const reply = await call('/events/broadcast', broadcast(newEvent(testBundle('1'))))
    expect(reply).toMatchObject({ status: 500, body: '{"detail":"Internal Server Error"}' })
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', message: 'failed to answer a request' })
  })
})

describe('/events/poll', () => {
  const poll = (limit: number): string => envelopeOf(peer, us.rid, payloadText({ type: 'poll_events', limit }))

  it('[API-3] gives what is queued for the caller, which is gone once it was sent', async () => {
    const { call, store } = await setup()
    await cache(
      store,
      ['1', '2', '3'].map((reference) => testBundle(reference)),
      [peer.rid, stranger.rid],
    )
    const first = await call('/events/poll', poll(2))
    expect(payloadOf(first, 'events_payload').events.map(({ ok }) => [ok?.event_type, ok?.rid])).toEqual([
      ['NEW', DATASET.of('1')],
      ['NEW', DATASET.of('2')],
    ])
    expect(payloadOf(await call('/events/poll', poll(0)), 'events_payload').events).toEqual([])
    await first.finished?.(false)
    const again = await call('/events/poll', poll(0))
    expect(payloadOf(again, 'events_payload').events.map(({ ok }) => ok?.rid)).toEqual(['1', '2', '3'].map(DATASET.of))
    await again.finished?.(true)
    await again.finished?.(true)
    expect(payloadOf(await call('/events/poll', poll(0)), 'events_payload').events).toEqual([])
    expect((await store.outboxState()).map(({ target, queued }) => [target, queued])).toEqual([[stranger.rid, 3]])
  })

  it('gives no more than a reply should hold, and at least one event', async () => {
    const { call, store } = await setup({ limits: { maxPollBytes: 10 } })
    await cache(
      store,
      ['1', '2'].map((reference) => testBundle(reference)),
      [peer.rid],
    )
    const reply = await call('/events/poll', poll(0))
    expect(payloadOf(reply, 'events_payload').events).toHaveLength(1)
    await reply.finished?.(true)
    expect(payloadOf(await call('/events/poll', poll(0)), 'events_payload').events).toHaveLength(1)
  })
})

describe('fetching', () => {
  const ask = (payload: Parameters<typeof payloadText>[0]): string => envelopeOf(peer, us.rid, payloadText(payload))
  const three = ['1', '2', '3'].map((reference) => testBundle(reference, { reference, filler: 'x'.repeat(100) }))

  it('lists RIDs by type, or all', async () => {
    const { call, store } = await setup()
    await cache(store, [...three, profileBundle(us)])
    const rids = async (types: readonly string[]): Promise<unknown[]> => {
      const reply = await call('/rids/fetch', ask({ type: 'fetch_rids', rid_types: types }))
      return payloadOf(reply, 'rids_payload').rids.map(({ ok }) => ok)
    }
    expect(await rids([])).toEqual([us.rid, ...three.map(({ manifest }) => manifest.rid)])
    expect(await rids([DATASET.name])).toEqual(three.map(({ manifest }) => manifest.rid))
    expect(await rids(['https'])).toEqual([])
  })

  it('lists more RIDs than a page of the store holds, and their manifests', async () => {
    const { call, store } = await setup()
    const many = Array.from({ length: 1_234 }, (_, index) => testBundle(`${index}`, {}))
    await cache(store, many)
    const listed = payloadOf(await call('/rids/fetch', ask({ type: 'fetch_rids', rid_types: [] })), 'rids_payload')
    expect(new Set(listed.rids.map(({ ok }) => ok))).toEqual(new Set(many.map(({ manifest }) => manifest.rid)))
    expect(listed.rids).toHaveLength(1_234)
    const request = ask({ type: 'fetch_manifests', rid_types: [DATASET.name], rids: [] })
    expect(payloadOf(await call('/manifests/fetch', request), 'manifests_payload').manifests).toHaveLength(1_234)
  })

  it('[API-4] gives manifests by RID before type, word for word, and names what it lacks', async () => {
    const { call, store } = await setup()
    await cache(store, three)
    const lost = DATASET.of('lost')
    const rids = [three[2]!.manifest.rid, lost, three[0]!.manifest.rid, lost]
    const reply = await call('/manifests/fetch', ask({ type: 'fetch_manifests', rid_types: ['https'], rids }))
    const payload = payloadOf(reply, 'manifests_payload')
    expect(payload.manifests.map(({ ok }) => ok?.text)).toEqual([three[2]!.manifest.text, three[0]!.manifest.text])
    expect(payload.not_found.map(({ ok }) => ok)).toEqual([lost])
  })

  it('gives bundles word for word, and defers those beyond its limit', async () => {
    const { call, store } = await setup({ limits: { maxBundleBytes: 600 } })
    await cache(store, three)
    const rids = [DATASET.of('lost'), ...three.map(({ manifest }) => manifest.rid)]
    const payload = payloadOf(await call('/bundles/fetch', ask({ type: 'fetch_bundles', rids })), 'bundles_payload')
    expect(payload.bundles.map(({ ok }) => ok?.contents.text)).toEqual([three[0]!.contents.text])
    expect(payload.not_found.map(({ ok }) => ok)).toEqual([DATASET.of('lost')])
    expect(payload.deferred.map(({ ok }) => ok)).toEqual(rids.slice(2))
  })

  it('lets others have their turn between the parts of a large reply', async () => {
    const { call, store } = await setup()
    await cache(store, three)
    let turns = 0
    const count = (): void => {
      turns += 1
      ticking = setImmediate(count)
    }
    let ticking = setImmediate(count)
    const rids = Array.from({ length: 2_000 }, (_, index) => DATASET.of(`${index}`))
    await call('/bundles/fetch', ask({ type: 'fetch_bundles', rids }))
    const forBundles = turns
    await call('/manifests/fetch', ask({ type: 'fetch_manifests', rid_types: [], rids }))
    clearImmediate(ticking)
    expect([forBundles, turns - forBundles].map((parts) => parts >= 10)).toEqual([true, true])
  })

  it('gives one bundle however large it is', async () => {
    const { call, store } = await setup({ limits: { maxBundleBytes: 1 } })
    await cache(store, three)
    const reply = await call('/bundles/fetch', ask({ type: 'fetch_bundles', rids: [three[1]!.manifest.rid] }))
    expect(payloadOf(reply, 'bundles_payload')).toMatchObject({
      bundles: [{ ok: { manifest: three[1]!.manifest } }],
      deferred: [],
    })
  })

  it('answers 403 to a node that is not listed, once it is verified', async () => {
    const { call, log } = await setup({ peers: PeerList.of({ [stranger.rid]: ['*'] }) })
    const request = payloadText({ type: 'fetch_rids', rid_types: [] })
    expect(await call('/rids/fetch', envelopeOf(stranger, us.rid, request))).toEqual(wireError('unknown_node'))
    expect(await call('/rids/fetch', envelopeOf(peer, us.rid, request))).toEqual({
      status: 403,
      contentType: 'application/json',
      body: '{"detail":"This node answers only those that are listed in its security.peer_types"}',
    })
    expect(log.lines.at(-1)).toEqual({
      level: 'info',
      message: 'refused a node that is not listed',
      fields: { peer: peer.rid, path: '/rids/fetch' },
    })
  })
})

describe('whatever strangers send', () => {
  const good = [
    [
      '/events/broadcast',
      envelopeOf(peer, us.rid, eventsPayload(newEvent(testBundle('1')), newEvent(profileBundle(peer)))),
    ],
    ['/events/broadcast', envelopeOf(stranger, us.rid, eventsPayload(newEvent(profileBundle(stranger))))],
    ['/events/poll', envelopeOf(peer, us.rid, payloadText({ type: 'poll_events', limit: 3 }))],
    ['/rids/fetch', envelopeOf(peer, us.rid, payloadText({ type: 'fetch_rids', rid_types: ['https'] }))],
    [
      '/manifests/fetch',
      envelopeOf(peer, us.rid, payloadText({ type: 'fetch_manifests', rid_types: [], rids: [DATASET.of('1')] })),
    ],
    ['/bundles/fetch', envelopeOf(peer, us.rid, payloadText({ type: 'fetch_bundles', rids: [DATASET.of('1')] }))],
  ] as const

  it('is never answered 5xx: bytes changed at random', async () => {
    const { call } = await setup()
    const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...good), mutation, async ([path, text], changes) => {
        const bytes = Buffer.from(text)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        expect((await call(path, bytes)).status).toBeLessThan(500)
      }),
      { numRuns: 1_500 },
    )
  })

  it('is never answered 5xx: a part replaced by any JSON', async () => {
    const { call } = await setup()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...good), fc.nat(), fc.json(), async ([path, text], which, json) => {
        const spots = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?!:)|\d+|\[\]/g)]
        const spot = spots[which % spots.length]!
        const changed = text.slice(0, spot.index) + json + text.slice(spot.index + spot[0].length)
        expect((await call(path, changed)).status).toBeLessThan(500)
      }),
      { numRuns: 1_500 },
    )
  })

  it('is never answered 5xx: any payload, signed by a node that is known', async () => {
    const { call } = await setup()
    const types = ['events_payload', 'poll_events', 'fetch_rids', 'fetch_manifests', 'fetch_bundles'] as const
    const item = fc.oneof(
      fc.json(),
      fc.constantFrom(newEvent(testBundle('1')), JSON.stringify(us.rid), '"x:1"', '{"rid":"x:1","event_type":"NEW"}'),
    )
    const field = fc.constantFrom('events', 'rids', 'rid_types', 'limit', 'type')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...types),
        fc.constantFrom(...good.map(([path]) => path)),
        fc.array(fc.tuple(field, fc.array(item)), { maxLength: 3 }),
        async (type, path, fields) => {
          const more = fields.map(([name, items]) => `,"${name}":[${items.join(',')}]`).join('')
          const { status } = await call(path, envelopeOf(peer, us.rid, `{"type":"${type}"${more}}`))
          expect(status).toBeLessThan(500)
        },
      ),
      { numRuns: 1_500 },
    )
  })
})

/** The other signature that verifies just as well: (r, n − s). */
function withNegatedS(envelope: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  return envelope.replace(/"signature":"([^"]+)"/, (_whole, base64: string) => {
    const signature = Buffer.from(base64, 'base64')
    const s = order - BigInt(`0x${signature.subarray(32).toString('hex')}`)
    signature.write(s.toString(16).padStart(64, '0'), 32, 'hex')
    return `"signature":"${signature.toString('base64')}"`
  })
}
