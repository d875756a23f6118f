import { afterEach, describe, expect, it } from 'vitest'
import { edgeProfileContents, edgeRid, nodeProfileContents, payloadText, sha256Contents } from '@koi-mcp/protocol'
import {
  envelopeOf,
  profileBundle,
  recordingLogger,
  requestOf,
  testIdentity,
  testServer,
  until,
} from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { addressBook } from './address-book.ts'
import { Handshaker } from './handshaker.ts'
import { HttpExchange } from './http-exchange.ts'
import { HttpPeerClient } from './http-peer-client.ts'
import { ProfileEvents } from './profile-events.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

const signal = new AbortController().signal

async function setup(answerMs = 0) {
  const server = await testServer()
  const http = new HttpExchange()
  const store = await openSqliteStore({ path: ':memory:' })
  opened.push(
    server.close,
    () => http.close(),
    () => store.close(),
  )
  const us = testIdentity('us', 'http://us.example/koi-net')
  const contact = testIdentity('contact', `${server.origin}/koi-net`)
  const graph = new NetworkGraph(us.rid)
  const log = recordingLogger()
  const known = { rid: contact.rid, url: contact.profile.base_url!, publicKey: contact.profile.public_key }
  const client = new HttpPeerClient({ identity: us, addressOf: addressBook(graph, () => known), http, log })
  const profileEvents = new ProfileEvents({ identity: us, store, clock: () => 1_700_000_000_000 })
  const backoff = { baseMs: 1, factor: 1, capMs: 1 }
  const handshaker = new Handshaker({ client, profileEvents, graph, store, log, clock: Date.now, backoff, answerMs })
  return { server, store, us, contact, graph, log, handshaker, profileEvents }
}

describe('Handshaker', () => {
  it('[HS-1] sends a FORGET and then the whole profile as NEW, in one envelope', async () => {
    const { server, us, contact, handshaker } = await setup()
    await handshaker.handshakeWith(contact.rid)
    const events = requestOf(server.requests[0]!.body, 'events_payload').events.map(({ ok }) => ok)
    expect(events).toMatchObject([
      { rid: us.rid, event_type: 'FORGET' },
      { rid: us.rid, event_type: 'NEW', manifest: { timestamp: '2023-11-14T22:13:20Z' } },
    ])
    expect(events[1]?.contents?.text).toBe(nodeProfileContents(us.profile).text)
  })

  it('tries until it works, and says once that it did not', async () => {
    const { server, contact, graph, handshaker, log } = await setup()
    server.answer = () => {
      if (server.requests.length < 4) return { status: 503, body: '' }
      graph.observe(contact.rid, nodeProfileContents(contact.profile))
      return { status: 200, body: 'null' }
    }
    await handshaker.start(contact.rid, signal)
    expect(server.requests).toHaveLength(4)
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  it('fetches the profile of a contact that does not tell it, being no coordinator', async () => {
    const { server, store, us, contact, handshaker } = await setup()
    const bundle = profileBundle(contact)
    const payload = payloadText({ type: 'bundles_payload', bundles: [bundle], not_found: [], deferred: [] })
    server.answer = ({ path }) => ({
      status: 200,
      body: path === '/koi-net/bundles/fetch' ? envelopeOf(contact, us.rid, payload) : 'null',
    })
    await handshaker.start(contact.rid, signal)
    const arrival = await store.nextArrival((await store.takeLanes('test', 1_000, 1))[0]!.lease)
    expect(arrival).toMatchObject({
      rid: contact.rid,
      source: contact.rid,
      manifest: { sha256_hash: bundle.manifest.sha256_hash },
    })
    expect(arrival?.eventType).toBeUndefined()
  })

  it('tries again when the contact takes the handshake and then tells nothing of itself', async () => {
    const { server, contact, graph, handshaker, log } = await setup()
    server.answer = ({ path }) => {
      if (path === '/koi-net/bundles/fetch') return { status: 200, body: 'nonsense' }
      if (server.requests.filter((request) => request.path === path).length === 3) {
        graph.observe(contact.rid, nodeProfileContents(contact.profile))
      }
      return { status: 200, body: 'null' }
    }
    await handshaker.start(contact.rid, signal)
    expect(server.requests.filter(({ path }) => path === '/koi-net/events/broadcast')).toHaveLength(3)
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields)).toEqual([
      { peer: contact.rid, error: 'it took the handshake, but does not tell its profile' },
    ])
  })

  it('waits for the answer of a coordinator before it asks', async () => {
    const { server, contact, graph, handshaker } = await setup(60_000)
    const started = handshaker.start(contact.rid, signal)
    await until(() => server.requests.length === 1)
    graph.observe(contact.rid, nodeProfileContents(contact.profile))
    await started
    expect(server.requests).toHaveLength(1)
  })

  it('does nothing where the contact is known and serves us, and something where it only is known', async () => {
    const { server, us, contact, graph, handshaker } = await setup()
    graph.observe(contact.rid, nodeProfileContents(contact.profile))
    expect(await handshaker.needed(contact.rid)).toBe(true)
    const edge = {
      source: contact.rid,
      target: us.rid,
      edge_type: 'WEBHOOK',
      status: 'PROPOSED',
      rid_types: ['a'],
    } as const
    graph.observe(edgeRid(contact.rid, us.rid), edgeProfileContents(edge))
    expect(await handshaker.needed(contact.rid)).toBe(false)
    await handshaker.start(contact.rid, signal)
    expect(server.requests).toEqual([])
  })

  it('introduces no profile twice to a contact that has nothing for us', async () => {
    const { server, store, us, contact, graph, handshaker } = await setup()
    graph.observe(contact.rid, nodeProfileContents(contact.profile))
    server.answer = () => ({ status: 200, body: 'null' })
    await handshaker.start(contact.rid, signal)
    await handshaker.start(contact.rid, signal)
    expect(server.requests).toHaveLength(1)
    const hash = sha256Contents(nodeProfileContents(us.profile).value)
    expect(await store.listValues('introduced/')).toEqual(new Map([[`introduced/${contact.rid}`, hash]]))
    await store.setValue(`introduced/${contact.rid}`, 'of another profile')
    await handshaker.start(contact.rid, signal)
    expect(server.requests).toHaveLength(2)
  })

  it('ends when told to', async () => {
    const { server, contact, handshaker } = await setup()
    const stop = new AbortController()
    server.answer = () => {
      stop.abort()
      return { status: 500, body: '' }
    }
    await handshaker.start(contact.rid, stop.signal)
    expect(server.requests).toHaveLength(1)
  })
})

describe('ProfileEvents', () => {
  it('tells what is cached of the own profile, with its timestamp', async () => {
    const { store, us, profileEvents } = await setup()
    const bundle = profileBundle(us, 42)
    await store.accept([{ rid: us.rid, manifest: bundle.manifest, contents: bundle.contents }])
    const lease = (await store.takeLanes('test', 1_000, 1))[0]!.lease
    const { place } = (await store.nextArrival(lease))!
    await store.apply(lease, place, { kind: 'write', normalizedEventType: 'NEW', bundle }, { arrivals: [], sends: [] })
    expect(await profileEvents.introduction()).toContain(bundle.manifest.text)
  })
})
