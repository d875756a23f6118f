import { afterEach, describe, expect, it } from 'vitest'
import { forgetEvent, eventText, nodeRid, payloadText } from '@koi-mcp/protocol'
import {
  envelopeOf,
  eventsPayload,
  newEvent,
  profileBundle,
  recordingLogger,
  requestOf,
  testBundle,
  testIdentity,
  testServer,
} from '../../test/peers.ts'
import type { Answer, TestServer } from '../../test/peers.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { PeerList } from '../security/peer-list.ts'
import type { AddressBook } from './address-book.ts'
import { HttpExchange } from './http-exchange.ts'
import { HttpPeerClient } from './http-peer-client.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

interface Setup {
  readonly client: HttpPeerClient
  readonly us: NodeIdentity
  readonly peer: NodeIdentity
  readonly server: TestServer
  readonly log: ReturnType<typeof recordingLogger>
}

async function setup(
  answer: (to: { us: NodeIdentity; peer: NodeIdentity; path: string }) => Answer,
  options: { addressOf?: AddressBook; withoutKey?: boolean; peers?: PeerList } = {},
): Promise<Setup> {
  const server = await testServer(({ path }) => answer({ us, peer, path }))
  const us = testIdentity('us', 'http://us.example/koi-net')
  const peer = testIdentity('peer', `${server.origin}/koi-net/`)
  const http = new HttpExchange({ requestTimeoutMs: 50_000, maxReplyBytes: 100_000 })
  opened.push(server, http)
  const log = recordingLogger()
  const book: AddressBook = (node) =>
    node === peer.rid
      ? { url: peer.profile.base_url!, publicKey: options.withoutKey ? undefined : peer.profile.public_key }
      : undefined
  const client = new HttpPeerClient({
    identity: us,
    addressOf: options.addressOf ?? book,
    http,
    log,
    peers: options.peers,
  })
  return { client, us, peer, server, log }
}

describe('HttpPeerClient', () => {
  it('broadcasts the event texts as they are, in an envelope of ours for the node', async () => {
    const { client, server, us, peer } = await setup(() => ({ status: 200, body: 'null' }))
    const event = newEvent(testBundle('1', { a: 1 }))
    await client.broadcastEvents(peer.rid, [event])
    expect(server.requests[0]?.path).toBe('/koi-net/events/broadcast')
    expect(server.requests[0]?.body.toString()).toContain(`"payload":${eventsPayload(event)},"source_node":"${us.rid}"`)
  })

  it('polls: good events and bad ones side by side', async () => {
    const { client, peer, server } = await setup(({ us, peer }) => ({
      status: 200,
      body: envelopeOf(peer, us.rid, eventsPayload(newEvent(testBundle('1')), '{"rid":"nonsense","event_type":"NEW"}')),
    }))
    const events = await client.pollEvents(peer.rid, 7)
    expect(requestOf(server.requests[0]!.body, 'poll_events')).toEqual({ type: 'poll_events', limit: 7 })
    expect(events.map(({ ok, error }) => ok?.rid ?? error?.path)).toEqual([
      testBundle('1').manifest.rid,
      'payload.events[1].rid',
    ])
  })

  it('polls a first contact whose key it does not know yet, when that introduces itself', async () => {
    // What it tells next is gone there once it is polled, and may be polled before its profile is worked off here.
    let polls = 0
    const { client, peer } = await setup(
      ({ us, peer }) => {
        const told = polls++ === 0 ? profileBundle(peer) : testBundle('1')
        return { status: 200, body: envelopeOf(peer, us.rid, eventsPayload(newEvent(told))) }
      },
      { withoutKey: true },
    )
    await expect(client.fetchRids(peer.rid, [])).rejects.toMatchObject({ code: 'NO_ADDRESS', retryable: true })
    expect((await client.pollEvents(peer.rid, 0)).map(({ ok }) => ok?.rid)).toEqual([peer.rid])
    expect((await client.pollEvents(peer.rid, 0)).map(({ ok }) => ok?.rid)).toEqual([testBundle('1').manifest.rid])
  })

  it('does not believe a poll of an unknown contact that does not introduce itself', async () => {
    const { client, peer } = await setup(
      ({ us, peer }) => ({ status: 200, body: envelopeOf(peer, us.rid, eventsPayload(newEvent(testBundle('1')))) }),
      { withoutKey: true },
    )
    await expect(client.pollEvents(peer.rid, 0)).rejects.toMatchObject({ code: 'BAD_REPLY' })
  })

  it('fetches RIDs, manifests and bundles, leaving out what cannot be read', async () => {
    const bundle = testBundle('1')
    const text = { manifest: bundle.manifest.text, contents: bundle.contents.text }
    const replies: Record<string, string> = {
      '/koi-net/rids/fetch': `{"type":"rids_payload","rids":["${bundle.manifest.rid}","nonsense"]}`,
      '/koi-net/manifests/fetch': `{"type":"manifests_payload","manifests":[${text.manifest},{}],"not_found":["x:1"]}`,
      '/koi-net/bundles/fetch': `{"type":"bundles_payload","bundles":[{"manifest":${text.manifest},"contents":${text.contents}},{"manifest":${text.manifest},"contents":{"forged":true}}],"not_found":["x:1"],"deferred":["x:2"]}`,
    }
    const { client, peer, server, log } = await setup(({ us, peer, path }) => ({
      status: 200,
      body: envelopeOf(peer, us.rid, replies[path]!),
    }))
    expect(await client.fetchRids(peer.rid, ['https'])).toEqual([bundle.manifest.rid])
    expect(await client.fetchManifests(peer.rid, { rids: [bundle.manifest.rid] })).toEqual({
      manifests: [bundle.manifest],
      notFound: ['x:1'],
    })
    const fetched = await client.fetchBundles(peer.rid, [bundle.manifest.rid])
    expect(fetched.bundles.map(({ contents }) => contents.text)).toEqual([text.contents])
    expect([fetched.notFound, fetched.deferred]).toEqual([['x:1'], ['x:2']])
    expect(requestOf(server.requests[0]!.body, 'fetch_rids')).toEqual({ type: 'fetch_rids', rid_types: ['https'] })
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(3)
  })

  it('says of a few of many bad items what is wrong, and how many there are', async () => {
    const nonsense = Array.from({ length: 5_000 }, () => '"nonsense"').join(',')
    const { client, peer, log } = await setup(({ us, peer }) => ({
      status: 200,
      body: envelopeOf(peer, us.rid, `{"type":"rids_payload","rids":[${nonsense}]}`),
    }))
    expect(await client.fetchRids(peer.rid, [])).toEqual([])
    const warnings = log.lines.filter(({ level }) => level === 'warn')
    expect(warnings).toHaveLength(11)
    expect(warnings.at(-1)).toMatchObject({ fields: { peer: peer.rid, count: 4_990 } })
  })

  it.each([
    ['unknown_node', 'UNKNOWN_NODE', true],
    ['invalid_key', 'INVALID_KEY', false],
    ['invalid_signature', 'INVALID_SIGNATURE', false],
    ['invalid_target', 'INVALID_TARGET', false],
  ])('says %s as %s', async (error, code, retryable) => {
    const { client, peer } = await setup(() => ({
      status: 400,
      body: `{"type":"error_response","error":"${error}"}`,
    }))
    await expect(client.broadcastEvents(peer.rid, [])).rejects.toMatchObject({ code, retryable, peer: peer.rid })
  })

  it.each([
    [500, 'SERVER_ERROR', true],
    [503, 'SERVER_ERROR', true],
    [429, 'SERVER_ERROR', true],
    [400, 'BAD_REPLY', false],
    [404, 'BAD_REPLY', false],
    [413, 'BAD_REPLY', false],
    [307, 'BAD_REPLY', false],
  ])('says status %d as %s', async (status, code, retryable) => {
    const { client, peer } = await setup(() => ({ status, body: '{"detail":"?"}' }))
    await expect(client.broadcastEvents(peer.rid, [])).rejects.toMatchObject({ code, retryable })
  })

  const rids = payloadText({ type: 'rids_payload', rids: [] })
  it.each<[string, (to: { us: NodeIdentity; peer: NodeIdentity }) => string]>([
    ['no JSON', () => '<html>'],
    ['no envelope', () => '{}'],
    ['another source', ({ us }) => envelopeOf(testIdentity('other'), us.rid, rids)],
    [
      'the same key under another name',
      ({ us, peer }) => envelopeOf({ ...peer, rid: nodeRid('x', peer.profile.public_key) }, us.rid, rids),
    ],
    ['another target', ({ peer }) => envelopeOf(peer, testIdentity('other').rid, rids)],
    ['another key', ({ us, peer }) => envelopeOf({ ...testIdentity('x'), rid: peer.rid }, us.rid, rids)],
    ['another payload', ({ us, peer }) => envelopeOf(peer, us.rid, eventsPayload(eventText(forgetEvent(us.rid))))],
    ['a changed payload', ({ us, peer }) => envelopeOf(peer, us.rid, rids).replace('[]', '["x:1"]')],
    ['too much', () => ' '.repeat(200_000)],
  ])('does not believe a reply with %s', async (_what, body) => {
    const { client, peer } = await setup((to) => ({ status: 200, body: body(to) }))
    await expect(client.fetchRids(peer.rid, [])).rejects.toMatchObject({ code: 'BAD_REPLY', retryable: false })
  })

  it('calls no node that is not listed', async () => {
    const { client, peer, server } = await setup(() => ({ status: 200, body: 'null' }), { peers: PeerList.of({}) })
    for (const call of [client.broadcastEvents(peer.rid, []), client.fetchRids(peer.rid, [])]) {
      await expect(call).rejects.toMatchObject({ code: 'NOT_LISTED', peer: peer.rid, retryable: false })
    }
    expect(server.requests).toEqual([])
  })

  it('says that a node is unreachable, has no address, or may not be called', async () => {
    const { client, peer, us, server } = await setup(() => ({ status: 200, body: 'null' }))
    await server.close()
    await expect(client.broadcastEvents(peer.rid, [])).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    await expect(client.fetchRids(testIdentity('stranger').rid, [])).rejects.toMatchObject({ code: 'NO_ADDRESS' })
    await expect(client.fetchRids(us.rid, [])).rejects.toMatchObject({ code: 'NO_ADDRESS' })
  })

  it('does not call link-local addresses', async () => {
    const { client, peer } = await setup(() => ({ status: 200, body: 'null' }), {
      addressOf: () => ({ url: 'http://169.254.169.254/koi-net' }),
    })
    await expect(client.broadcastEvents(peer.rid, [])).rejects.toMatchObject({ code: 'FORBIDDEN_ADDRESS' })
  })
})
