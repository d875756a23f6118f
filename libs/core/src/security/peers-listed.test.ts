/** `security.peers: listed`, with real nodes over HTTP. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { defineRidType, edgeRid, parseEnvelope, parsePayload, payloadText } from '@koi-mcp/protocol'
import type { PayloadType } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { bundleNow, forgetText, Outsider } from '../../test/outsider.ts'
import { eventsPayload, newEvent, recordingLogger, until } from '../../test/peers.ts'
import { DomainExtension } from '../domain/domain-extension.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'
import type { NodeOptions } from '../nodes/node-options.ts'
import { ProducerNode } from '../nodes/producer-node.ts'
import { PeerList } from './peer-list.ts'

const SecretRID = defineRidType('orn:notes.secret')
const note = NoteRID.of('note')
const secret = SecretRID.of('secret')
const ANY_PORT = 'http://127.0.0.1:0/koi-net'
const NOT_LISTED = '{"detail":"This node answers only those that are listed in its security.peer_types"}'

class Secrets extends DomainExtension {
  readonly name = 'secrets'
  override get ridTypes() {
    return [SecretRID]
  }
}

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function up<N extends KoiNode>(Role: new (options: NodeOptions & { baseUrl: string }) => N, more: More = {}) {
  const log = recordingLogger()
  const domains = [new Notes(), new Secrets()]
  const options = { name: 'node', baseUrl: ANY_PORT, domains, log, network: { pollIntervalMs: 20 }, ...more }
  // A coordinator has a base URL in every test.
  const node = new Role(options as NodeOptions & { baseUrl: string })
  await node.start()
  stops.push(() => node.stop())
  const said = (start: string) => log.lines.filter(({ message }) => message.startsWith(start))
  return Object.assign(node, { said })
}
type More = Partial<NodeOptions>

async function outsider(provides: readonly string[] = [], options = {}): Promise<Outsider> {
  const node = await Outsider.start(provides, options)
  stops.push(node.stop)
  return node
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'koi-listed-'))
  stops.push(() => rm(path, { recursive: true }))
  return path
}

/** Lists the outsider for notes alone. */
const notesOnly = ({ rid }: Outsider): More => ({
  security: { peers: 'listed', peerTypes: { [rid]: [NoteRID.name] } },
})

async function ask<T extends PayloadType>(by: Outsider, node: KoiNode, path: string, request: string, type: T) {
  const { status, body } = await by.call(node, path, request)
  expect(status).toBe(200)
  const { payload } = parseEnvelope(Buffer.from(body))
  return parsePayload<T>(payload, type)
}
const ok = <T>(items: readonly { ok?: T }[]): (T | undefined)[] => items.map((item) => item.ok)

describe('a node that is not listed', () => {
  it('is answered 403 on all five endpoints, and nothing it says is kept', async () => {
    const [friend, stranger] = [await outsider(), await outsider([NoteRID.name])]
    const node = await up(ProducerNode, notesOnly(friend))
    await friend.introduce(node)
    const introduction = newEvent(stranger.profileBundle())
    const payloads = {
      '/events/broadcast': eventsPayload(introduction, forgetText(friend.rid)),
      '/events/poll': payloadText({ type: 'poll_events', limit: 0 }),
      '/rids/fetch': payloadText({ type: 'fetch_rids', rid_types: [] }),
      '/manifests/fetch': payloadText({ type: 'fetch_manifests', rid_types: [], rids: [] }),
      '/bundles/fetch': payloadText({ type: 'fetch_bundles', rids: [note] }),
    }
    expect(await stranger.call(node, '/events/broadcast', payloads['/events/broadcast'])).toEqual({
      status: 403,
      body: NOT_LISTED,
    })
    // Its profile may have come from elsewhere.
    await node.store.accept([{ rid: stranger.rid, ...stranger.profileBundle(), source: stranger.rid }])
    await until(() => node.graph.profile(stranger.rid) !== undefined)
    for (const [path, payload] of Object.entries(payloads)) {
      expect([path, await stranger.call(node, path, payload)]).toEqual([path, { status: 403, body: NOT_LISTED }])
    }
    expect(node.graph.profile(friend.rid)).toBeDefined()
    expect(node.said('refused a node that is not listed').map(({ fields }) => fields?.['peer'])).toEqual(
      Array.from({ length: 6 }, () => stranger.rid),
    )
  })

  it('is not called, subscribed to, or told anything', async () => {
    const state = await folder()
    const [friend, stranger] = [await outsider([NoteRID.name]), await outsider([NoteRID.name])]
    stranger.holds.set(note, bundleNow(note, { by: 'stranger' }))
    // It was dealt with before the list was made: there are edges in both directions, and something waits for it.
    const open = await up(ProducerNode, { name: 'producer', state })
    await stranger.introduce(open)
    await stranger.subscribe(open, [NoteRID.name])
    await until(() => open.graph.edge(open.identity.rid, stranger.rid)?.profile.status === 'APPROVED')
    await open.idle()
    stranger.away = true
    await open.publish({ rid: NoteRID.of('waiting'), contents: { n: 1 } })
    await until(async () => (await open.store.outboxState()).some(({ failures }) => failures > 0))
    await open.stop()
    stranger.away = false
    stranger.calls.length = stranger.heard.length = 0

    const node = await up(ProducerNode, { name: 'producer', state, ...notesOnly(friend) })
    await friend.introduce(node)
    await friend.subscribe(node, [NoteRID.name])
    await node.publish({ rid: note, contents: { n: 1 } })
    await until(() => friend.heard.some(({ rid }) => rid === note))
    await node.deref(NoteRID.of('elsewhere'), { network: true })
    await node.idle()
    expect(stranger.calls).toEqual([])
    expect(await node.store.outboxState()).toEqual([])
    expect(node.said('dropped what was queued').map(({ fields }) => fields)).toEqual([{ peer: stranger.rid, count: 1 }])
  })

  it.each([
    ['caught up with', ANY_PORT],
    ['polled', undefined],
  ])('is not %s, though there are edges from before', async (_, baseUrl) => {
    const state = await folder()
    const stranger = await outsider([NoteRID.name])
    const contact = { firstContact: stranger.identity.profile.base_url, firstContactRid: stranger.rid }
    const before = await up(ConsumerNode, { state, baseUrl, ...contact })
    const self = before.identity.rid
    if (baseUrl === undefined) stranger.queued.push(newEvent(stranger.profileBundle()))
    else await stranger.introduce(before)
    await until(() => before.graph.edge(stranger.rid, self) !== undefined)
    if (baseUrl !== undefined) await stranger.approve(before)
    await before.stop()
    stranger.calls.length = 0

    const after = await up(ConsumerNode, { state, baseUrl, ...notesOnly(await outsider()) })
    await after.idle()
    // Five rounds of polling.
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(stranger.calls).toEqual([])
    expect(after.said('could not')).toEqual([])
    expect(after.graph.edge(stranger.rid, self)).toBeDefined()
  })
})

describe('a node that is listed for some types', () => {
  it('is subscribed to for those alone, and heard about those alone, event by event', async () => {
    const friend = await outsider([NoteRID.name, SecretRID.name])
    const node = await up(ConsumerNode, notesOnly(friend))
    await friend.introduce(node)
    await friend.approve(node)
    expect(node.graph.edge(friend.rid, node.identity.rid)?.profile.rid_types).toEqual([NoteRID.name])
    await friend.tell(
      node,
      newEvent(bundleNow(secret, { n: 1 })),
      forgetText(secret),
      newEvent(bundleNow(note, { n: 1 })),
    )
    expect(await node.store.listRids({ types: [NoteRID.name, SecretRID.name] })).toEqual([note])
    expect(node.said('dropped an event').map(({ fields }) => fields)).toEqual(
      [secret, secret].map((rid) => ({
        peer: friend.rid,
        rid,
        error: `that node is not listed for ${SecretRID.name} (security.peer_types)`,
      })),
    )
  })

  it('is not believed about others that it lists, or that it is asked for', async () => {
    const friend = await outsider([NoteRID.name, SecretRID.name])
    for (const rid of [note, secret]) friend.holds.set(rid, bundleNow(rid, { n: 1 }))
    const node = await up(ConsumerNode, notesOnly(friend))
    await friend.introduce(node)
    await friend.approve(node)
    await until(async () => (await node.store.read(note)) !== undefined)
    const calls = friend.calls.length
    expect(await node.deref(secret, { network: true })).toBeUndefined()
    expect(friend.calls).toHaveLength(calls)
    expect(await node.store.listRids({ types: [NoteRID.name, SecretRID.name] })).toEqual([note])
  })

  it('fetches those alone; others are not found', async () => {
    const friend = await outsider()
    const node = await up(ProducerNode, notesOnly(friend))
    for (const rid of [note, secret]) await node.publish({ rid, contents: { n: 1 } })
    await friend.introduce(node)
    await node.idle()
    const rids = async (rid_types: string[]) =>
      ok((await ask(friend, node, '/rids/fetch', payloadText({ type: 'fetch_rids', rid_types }), 'rids_payload')).rids)
    expect(new Set(await rids([]))).toEqual(new Set([node.identity.rid, friend.rid, note]))
    expect(await rids([SecretRID.name])).toEqual([])
    expect(await rids([SecretRID.name, NoteRID.name])).toEqual([note])

    const manifests = async (request: { rid_types: string[]; rids: (typeof note)[] }) => {
      const payload = payloadText({ type: 'fetch_manifests', ...request })
      const reply = await ask(friend, node, '/manifests/fetch', payload, 'manifests_payload')
      return [ok(reply.manifests).map((manifest) => manifest?.rid), ok(reply.not_found)]
    }
    expect(await manifests({ rid_types: [], rids: [secret, note] })).toEqual([[note], [secret]])
    expect(await manifests({ rid_types: [SecretRID.name], rids: [] })).toEqual([[], []])

    const payload = payloadText({ type: 'fetch_bundles', rids: [secret, note] })
    const reply = await ask(friend, node, '/bundles/fetch', payload, 'bundles_payload')
    expect([ok(reply.bundles).map((bundle) => bundle?.manifest.rid), ok(reply.not_found)]).toEqual([[note], [secret]])
  })

  it('is refused a subscription to more', async () => {
    const friend = await outsider()
    const node = await up(ProducerNode, notesOnly(friend))
    await friend.introduce(node)
    await friend.subscribe(node, [NoteRID.name, SecretRID.name])
    await until(() => friend.heard.some(({ event_type }) => event_type === 'FORGET'))
    expect(friend.heard.filter(({ event_type }) => event_type === 'FORGET').map(({ rid }) => rid)).toEqual([
      edgeRid(node.identity.rid, friend.rid),
    ])
    expect(node.said('refused a subscription').map(({ message }) => message)).toEqual([
      `refused a subscription: it is not listed for ${SecretRID.name} (security.peer_types)`,
    ])
    await friend.subscribe(node, [NoteRID.name])
    expect(node.graph.edge(node.identity.rid, friend.rid)?.profile.status).toBe('APPROVED')
  })

  it.each([
    ['by webhook', false],
    ['when it polls', true],
  ])('is told of no others %s, though they were queued before the list was made', async (_, partial) => {
    const state = await folder()
    const friend = await outsider([], { partial })
    const open = await up(ProducerNode, { name: 'producer', state })
    await friend.introduce(open)
    await friend.subscribe(open, [NoteRID.name, SecretRID.name])
    await open.idle()
    // It is away while both are published.
    friend.away = true
    for (const rid of [secret, note]) await open.publish({ rid, contents: { n: 1 } })
    await until(async () => ((await open.store.outboxState())[0]?.queued ?? 0) >= 2)
    await open.stop()
    friend.away = false
    friend.heard.length = 0

    const node = await up(ProducerNode, { name: 'producer', state, ...notesOnly(friend) })
    await node.publish({ rid: SecretRID.of('another'), contents: { n: 1 } })
    if (partial) {
      const poll = payloadText({ type: 'poll_events', limit: 0 })
      const { events } = await ask(friend, node, '/events/poll', poll, 'events_payload')
      friend.heard.push(...events.flatMap((item) => item.ok ?? []))
    }
    await until(() => friend.heard.some(({ rid }) => rid === note))
    await node.idle()
    expect(friend.heard.map(({ rid }) => rid).filter((rid) => SecretRID.matches(rid))).toEqual([])
    await until(async () => (await node.store.outboxState()).length === 0)
  })

  it('has nothing of others queued for it, though it had subscribed before the list was made', async () => {
    const state = await folder()
    const friend = await outsider([], { partial: true })
    const open = await up(ProducerNode, { name: 'producer', state })
    await friend.introduce(open)
    await friend.subscribe(open, [NoteRID.name, SecretRID.name])
    await open.idle()
    await open.stop()

    const node = await up(ProducerNode, { name: 'producer', state, ...notesOnly(friend) })
    await node.idle()
    const queued = async () => (await node.store.outboxState()).find(({ target }) => target === friend.rid)?.queued ?? 0
    const before = await queued()
    for (const rid of [secret, note]) await node.publish({ rid, contents: { n: 1 } })
    await until(async () => (await node.store.readMany([secret, note])).length === 2)
    await until(async () => (await node.store.inboxState()).pending === 0)
    expect(await queued()).toBe(before + 1)
  })

  it('is told of no others by a handler of a domain either', async () => {
    const friend = await outsider()
    class Loose extends Secrets {
      override registerHandlers(processor: KoiNode['processor']): void {
        processor.registerHandler('network', { ridTypes: [SecretRID] }, (context, kobj) => {
          context.send(friend.rid, { eventType: 'NEW', rid: kobj.rid })
          return { ...kobj, networkTargets: new Set([...kobj.networkTargets, friend.rid]) }
        })
      }
    }
    const node = await up(ProducerNode, { domains: [new Notes(), new Loose()], ...notesOnly(friend) })
    await friend.introduce(node)
    await friend.subscribe(node, [NoteRID.name])
    await node.publish({ rid: secret, contents: { n: 1 } })
    await node.publish({ rid: note, contents: { n: 1 } })
    await until(() => friend.heard.some(({ rid }) => rid === note))
    await node.idle()
    expect(friend.heard.filter(({ rid }) => rid === secret)).toEqual([])
  })
})

describe('the first contact', () => {
  const refusal = (contact: KoiNode): string =>
    `the first contact ${contact.baseUrl} is the node ${contact.identity.rid}, which is not listed: ` +
    'add it to security.peer_types, or set security.peers to open'

  it('must be listed: where its RID is known, nothing starts without it', async () => {
    const hub = await up(CoordinatorNode, { name: 'hub' })
    const security = { peers: 'listed', peerTypes: {} } as const
    const contact = { firstContact: hub.baseUrl, firstContactRid: hub.identity.rid }
    await expect(up(ProducerNode, { ...contact, security })).rejects.toThrow(refusal(hub))
    const state = await folder()
    const before = await up(ProducerNode, { state, firstContact: hub.baseUrl })
    await until(() => before.graph.profile(hub.identity.rid) !== undefined)
    await before.stop()
    await expect(up(ProducerNode, { state, firstContact: hub.baseUrl, security })).rejects.toThrow(refusal(hub))
  })

  it('that turns out not to be listed is not introduced to, and not remembered', async () => {
    const hub = await up(CoordinatorNode, { name: 'hub' })
    const security = { peers: 'listed', peerTypes: {} } as const
    const node = await up(ProducerNode, { firstContact: hub.baseUrl, security })
    await until(() => node.said('the first contact is refused').length > 0)
    expect(node.said('the first contact is refused').map(({ message }) => message)).toEqual([
      `the first contact is refused: ${refusal(hub)}`,
    ])
    expect(await node.store.listValues('first-contact/')).toEqual(new Map())
    expect(hub.graph.nodes()).toEqual([hub.identity.rid])
  })
})

it('lets a network of listed nodes do all that an open one does', async () => {
  const roles = [
    ['hub', CoordinatorNode],
    ['source', ProducerNode],
    ['reader', ConsumerNode],
  ] as const
  const states = await Promise.all(roles.map(() => folder()))
  const rids = await Promise.all(
    roles.map(async ([name, Role], index) => {
      const node = await up(Role, { name, state: states[index] })
      const { rid } = node.identity
      await node.stop()
      return rid
    }),
  )
  const [hubRid = '', sourceRid = '', readerRid = ''] = rids
  const listed = (peerTypes: Record<string, string[]>) => ({ security: { peers: 'listed', peerTypes } as const })
  const all = ['*']
  const hub = await up(CoordinatorNode, {
    name: 'hub',
    state: states[0],
    ...listed({ [sourceRid]: [], [readerRid]: [] }),
  })
  const firstContact = hub.baseUrl
  const source = await up(ProducerNode, {
    name: 'source',
    state: states[1],
    firstContact,
    ...listed({ [hubRid]: [], [readerRid]: all }),
  })
  const reader = await up(ConsumerNode, {
    name: 'reader',
    state: states[2],
    firstContact,
    ...listed({ [hubRid]: [], [sourceRid]: all }),
  })
  await until(() => reader.graph.edge(source.identity.rid, reader.identity.rid)?.profile.status === 'APPROVED')
  await source.publish({ rid: secret, contents: { n: 1 } })
  await until(async () => (await reader.store.read(secret)) !== undefined)
  await hub.idle()
  expect(await hub.store.read(secret)).toBeUndefined()
})

describe('a peer list', () => {
  it('refuses what is no node and what is no RID type', () => {
    expect(() => PeerList.of({ 'orn:notes.note:x': ['*'] })).toThrow("orn:notes.note:x is no node's RID")
    expect(() => PeerList.of({ x: [] })).toThrow('security.peer_types')
    expect(() => PeerList.of({ 'orn:koi-net.node:a+b': ['a:b'] })).toThrow('security.peer_types.orn:koi-net.node:a+b')
  })
})
