/** Real koi-net nodes and ours in one network, in both roles and both directions. */
import { afterEach, describe, expect, it } from 'vitest'
import { ConsumerNode, CoordinatorNode, DomainExtension, ProducerNode } from '@koi-mcp/core'
import type { KoiNode, NodeOptions } from '@koi-mcp/core'
import { defineRidType } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { findReference } from '../reference-process.ts'
import { ReferencePeer } from './reference-peer.ts'
import type { PeerKind } from './reference-peer.ts'

const reference = findReference()
const NoteRID = defineRidType('orn:notes.note')

class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  // Last come, first gone: a peer that outlives its coordinator only fills logs.
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function up<N extends KoiNode>(node: N): Promise<N> {
  stops.push(() => node.stop())
  await node.start()
  return node
}

async function theirs(kind: PeerKind, name: string, contact?: { url: string; rid: Rid }): Promise<ReferencePeer> {
  if (!('python' in reference)) throw new Error(reference.missing)
  const peer = await ReferencePeer.start(reference.python, kind, name, contact)
  stops.push(() => peer.stop())
  return peer
}

const options = (name: string, contact?: { url: string; rid: Rid }): NodeOptions & { baseUrl: string } => ({
  name,
  baseUrl: 'http://127.0.0.1:0/koi-net',
  domains: [new NotesExtension()],
  firstContact: contact?.url,
  firstContactRid: contact?.rid,
  network: { pollIntervalMs: 100 },
})

const contactOf = (node: KoiNode) => ({ url: node.identity.profile.base_url ?? '', rid: node.identity.rid })

async function until<T>(what: string, found: () => Promise<T | undefined | null>): Promise<T> {
  const deadline = Date.now() + 30_000
  for (;;) {
    const value = await found()
    if (value !== undefined && value !== null) return value
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const yes = (condition: boolean): true | undefined => (condition ? true : undefined)

/** Ours hears what theirs says about one RID: NEW, UPDATE, FORGET. */
async function oursHears(node: KoiNode, peer: ReferencePeer, rid: Rid): Promise<void> {
  const text = async () => (await node.store.read(rid))?.bundle.contents.text
  await peer.publish(rid, { n: 1.5, text: 'ünïcode', nested: { list: [1, null, true] } })
  expect(await until('NEW', text)).toBe('{"n":1.5,"text":"ünïcode","nested":{"list":[1,null,true]}}')
  await peer.publish(rid, { n: 2 })
  await until('UPDATE', async () => yes((await text()) === '{"n":2}'))
  await peer.forget(rid)
  await until('FORGET', async () => yes((await text()) === undefined))
}

/** Theirs hears what ours says about one RID: NEW, UPDATE, FORGET; and lives on. */
async function theirsHears(peer: ReferencePeer, node: KoiNode, rid: Rid): Promise<void> {
  await node.publish({ rid, contents: { n: 0.5, text: '日本語', '10': 'ten', '9': 'nine' } })
  const bundle = await until('NEW', () => peer.read(rid))
  expect(bundle.contents).toEqual({ n: 0.5, text: '日本語', '9': 'nine', '10': 'ten' })
  await node.publish({ rid, contents: { n: 2 } })
  await until('UPDATE', async () => yes((await peer.read(rid))?.contents['n'] === 2))
  await node.forget(rid)
  // It writes down what it saw at the end of its pipeline, after the cache has changed.
  const changesOf = async () => (await peer.seen()).filter(([, about]) => about === rid)
  const changes = await until('FORGET', async () => {
    const seen = await changesOf()
    return seen.some(([type]) => type === 'FORGET') ? seen : undefined
  })
  expect(await peer.read(rid)).toBeNull()
  expect(changes).toEqual(['NEW', 'UPDATE', 'FORGET'].map((type) => [type, rid, node.identity.rid]))
  expect(await peer.state()).toBe('RUNNING')
}

const approved = (node: KoiNode, provider: Rid, subscriber: Rid) =>
  until(`the edge from ${provider} to ${subscriber}`, () =>
    Promise.resolve(yes(node.graph.edge(provider, subscriber)?.profile.status === 'APPROVED')),
  )

describe.skipIf(!('python' in reference))('with koi-net', () => {
  it('[HS-1] [API-1] our nodes join their coordinator and find each other', async () => {
    const coordinator = await theirs('coordinator', 'coordinator')
    const producer = await up(new ProducerNode(options('producer', coordinator)))
    const consumer = await up(new ConsumerNode(options('consumer', coordinator)))
    await approved(consumer, producer.identity.rid, consumer.identity.rid)
    const rid = NoteRID.of('through their coordinator')
    await producer.publish({ rid, contents: { a: 1 } })
    await until('the note', async () => (await consumer.store.read(rid)) ?? undefined)
    await until('both at the coordinator', async () => {
      const known = await coordinator.list()
      return yes(known.includes(producer.identity.rid) && known.includes(consumer.identity.rid))
    })
    expect(await coordinator.state()).toBe('RUNNING')
  })

  it('[HS-2] [NEG-1] [NEG-2] [OUT-1] a full koi-net node and ours subscribe to each other by webhook, through our coordinator', async () => {
    const coordinator = await up(new CoordinatorNode(options('coordinator')))
    const peer = await theirs('full', 'peer', contactOf(coordinator))
    const consumer = await up(new ConsumerNode(options('consumer', contactOf(coordinator))))
    const producer = await up(new ProducerNode(options('producer', contactOf(coordinator))))
    await approved(consumer, peer.rid, consumer.identity.rid)
    await approved(producer, producer.identity.rid, peer.rid)
    await oursHears(consumer, peer, NoteRID.of('theirs'))
    await theirsHears(peer, producer, NoteRID.of('ours'))
    await until('its node at the coordinator', async () => (await coordinator.store.read(peer.rid)) ?? undefined)
  })

  it('[API-3] [OUT-1] a partial koi-net node polls ours', async () => {
    const coordinator = await up(new CoordinatorNode(options('coordinator')))
    const producer = await up(new ProducerNode(options('producer', contactOf(coordinator))))
    const peer = await theirs('partial', 'partial', contactOf(coordinator))
    await approved(producer, producer.identity.rid, peer.rid)
    await theirsHears(peer, producer, NoteRID.of('polled by them'))
  })

  it('[API-3] our partial node polls a full koi-net node', async () => {
    const peer = await theirs('full', 'peer')
    const partial = await up(new ConsumerNode({ ...options('partial', peer), baseUrl: undefined }))
    await approved(partial, peer.rid, partial.identity.rid)
    await oursHears(partial, peer, NoteRID.of('polled by us'))
  })

  it('[API-4] both sides fetch RIDs, manifests and bundles from each other', async () => {
    const coordinator = await up(new CoordinatorNode(options('coordinator')))
    const peer = await theirs('full', 'peer', contactOf(coordinator))
    const producer = await up(new ProducerNode(options('producer', contactOf(coordinator))))
    const self = producer.identity.rid
    const rids = ['a', 'b b', 'c/ç#%'].map((reference) => NoteRID.of(reference))
    const missing = NoteRID.of('missing')
    for (const [index, rid] of rids.entries()) await producer.publish({ rid, contents: { index, price: 1e-6 } })
    await producer.idle()
    await approved(producer, self, peer.rid)

    expect([...(await peer.fetchRids(self, [NoteRID.name]))].sort()).toEqual([...rids].sort())
    const manifests = await peer.fetchManifests(self, [...rids, missing])
    expect(manifests).toMatchObject({ not_found: [missing] })
    expect(manifests['manifests']).toHaveLength(3)
    const bundles = await peer.fetchBundles(self, [rids[0] as Rid, missing])
    expect(bundles).toMatchObject({ bundles: [{ contents: { index: 0, price: 1e-6 } }], not_found: [missing] })

    const own = NoteRID.of('their own')
    await peer.publish(own, { whole: 1.0, big: 12345678901234567890n.toString() })
    await until('it is theirs', () => peer.read(own))
    const found = await producer.deref(own, { network: true, handle: false })
    expect(found?.contents.value).toEqual({ whole: 1, big: '12345678901234567890' })
    expect(await peer.state()).toBe('RUNNING')
  })
})
