import { copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { defineRidType, KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { DomainExtension } from '../domain/domain-extension.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import { ProducerNode } from './producer-node.ts'
import { rotateKey } from './rotate-key.ts'

const NoteRID = defineRidType('orn:notes.note')
class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const root = mkdtempSync(join(tmpdir(), 'koi-rotate-'))
const running: KoiNode[] = []
const up = async <N extends KoiNode>(node: N): Promise<N> => {
  running.push(node)
  await node.start()
  return node
}
const options = (name: string, more: object = {}) => ({
  name,
  baseUrl: 'http://127.0.0.1:0/koi-net',
  domains: [new NotesExtension()],
  ...more,
})
const note = (name: string, text = 'first') => ({ rid: NoteRID.of(name), contents: { text } })

/** Everything that a node knows of the notes, byte for byte. */
const notesOf = async (node: KoiNode) =>
  (await node.store.listBundles({ types: [NoteRID.name] })).map(({ rid, bundle }) => [
    rid,
    bundle.manifest.text,
    bundle.contents.text,
  ])

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 50_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
const subscribed = (provider: KoiNode, subscriber: KoiNode) =>
  until(`${subscriber.identity.name} subscribed to ${provider.identity.name}`, () => {
    const edge = subscriber.graph.edge(provider.identity.rid, subscriber.identity.rid)
    return edge?.profile.status === 'APPROVED'
  })
const alike = (one: KoiNode, other: KoiNode) =>
  until(`${other.identity.name} holds what ${one.identity.name} holds`, async () => {
    return JSON.stringify(await notesOf(one)) === JSON.stringify(await notesOf(other))
  })
/** Nothing that is cached speaks of the node: neither its profile, nor an edge to or from it. */
const gone = (node: Rid, from: KoiNode) =>
  until(`${from.identity.name} forgets ${node}`, async () => {
    const cached = await from.store.listBundles({ types: [KOI_NET_NODE.name, KOI_NET_EDGE.name] })
    return !cached.some(({ rid, bundle }) => rid === node || bundle.contents.text.includes(node))
  })

afterEach(async () => {
  for (const node of running.splice(0).reverse()) await node.stop()
})
afterAll(() => rmSync(root, { recursive: true }))

const network = async (folder: string) => {
  const coordinator = await up(new CoordinatorNode(options('coordinator')))
  const firstContact = coordinator.baseUrl!
  const consumer = await up(new ConsumerNode(options('consumer', { firstContact, state: join(folder, 'consumer') })))
  const state = join(folder, 'producer')
  const producer = await up(new ProducerNode(options('producer', { firstContact, state })))
  const baseUrl = producer.baseUrl
  const again = () => up(new ProducerNode(options('producer', { firstContact, state, baseUrl })))
  await subscribed(producer, consumer)
  for (const name of ['a', 'b', 'c']) await producer.publish(note(name))
  await producer.idle()
  await alike(producer, consumer)
  await alike(producer, coordinator)
  return { coordinator, consumer, producer, state, firstContact, again }
}

describe('a new key', () => {
  it('makes a new node that everybody hears from, of all that the old one held, and the old one is gone everywhere', async () => {
    const { coordinator, consumer, producer, state, again } = await network(mkdtempSync(join(root, 'case-')))
    const old = producer.identity.rid
    await expect(rotateKey(state, undefined)).rejects.toMatchObject({ code: 'BUSY' })
    await producer.stop()

    const rotated = await rotateKey(state, undefined)
    expect(rotated.from).toBe(old)
    expect([...rotated.farewells].sort()).toEqual([coordinator.identity.rid, consumer.identity.rid].sort())
    expect(rotated.oldKey).toBe(join(state, `private-${old.slice(-64, -48)}.pem`))
    expect(statSync(rotated.oldKey).mode & 0o777).toBe(0o600)
    expect(readdirSync(state).filter((name) => name.endsWith('.pem')).length).toBe(2)

    const fresh = await again()
    expect(fresh.identity.rid).toBe(rotated.to)
    expect(fresh.identity.rid).not.toBe(old)
    for (const node of [coordinator, consumer, fresh]) await gone(old, node)
    await subscribed(fresh, consumer)
    await subscribed(fresh, coordinator)
    for (const node of [coordinator, consumer]) await alike(fresh, node)

    await fresh.publish(note('a', 'changed'))
    await fresh.forget(NoteRID.of('b'))
    await fresh.publish(note('d'))
    await fresh.idle()
    expect((await notesOf(fresh)).map(([rid]) => rid)).toEqual(['a', 'c', 'd'].map((name) => NoteRID.of(name)))
    for (const node of [coordinator, consumer]) await alike(fresh, node)
    expect(consumer.graph.nodes().toSorted()).toEqual(
      [coordinator, consumer, fresh].map(({ identity }) => identity.rid).toSorted(),
    )
    expect(await fresh.store.listValues('farewell/')).toEqual(new Map())
  })

  it('waits for who is away: it hears what was still queued, then the farewell, then the new node', async () => {
    const folder = mkdtempSync(join(root, 'case-'))
    const { coordinator, consumer, producer, state, firstContact, again } = await network(folder)
    const old = producer.identity.rid
    const address = consumer.baseUrl
    await consumer.stop()
    await producer.forget(NoteRID.of('a'))
    await producer.publish(note('b', 'while away'))
    await producer.idle()
    await producer.stop()
    const { to } = await rotateKey(state, undefined)
    const fresh = await again()
    expect(fresh.identity.rid).toBe(to)
    await fresh.publish(note('c', 'by the new one'))
    await fresh.idle()
    await gone(old, coordinator)
    const back = await up(
      new ConsumerNode(options('consumer', { firstContact, baseUrl: address, state: join(folder, 'consumer') })),
    )
    await gone(old, back)
    await subscribed(fresh, back)
    await alike(fresh, back)
    expect((await notesOf(back)).map(([rid]) => rid)).toEqual(['b', 'c'].map((name) => NoteRID.of(name)))
    await fresh.publish(note('b', 'last'))
    await fresh.idle()
    await alike(fresh, back)
  })

  it('is told with all that was queued also to who heard from others before that the old one went', async () => {
    const folder = mkdtempSync(join(root, 'case-'))
    const { coordinator, consumer, producer, state, firstContact, again } = await network(folder)
    const old = producer.identity.rid
    const baseUrl = consumer.baseUrl
    await consumer.stop()
    await producer.forget(NoteRID.of('a'))
    await producer.publish(note('b', 'while away'))
    await producer.idle()
    await producer.stop()
    await rotateKey(state, undefined)
    const first = await again()
    await gone(old, coordinator)
    await first.stop()
    const back = await up(
      new ConsumerNode(options('consumer', { firstContact, baseUrl, state: join(folder, 'consumer') })),
    )
    await gone(old, back)
    const fresh = await again()
    await subscribed(fresh, back)
    await alike(fresh, back)
    await gone(old, back)
    expect((await notesOf(back)).map(([rid]) => rid)).toEqual(['b', 'c'].map((name) => NoteRID.of(name)))
  })

  it('that was interrupted between store and key is refused at the start, and finished by another call', async () => {
    const state = join(mkdtempSync(join(root, 'case-')), 'producer')
    const node = await up(new ProducerNode(options('producer', { state, keyPassword: 'secret' })))
    await node.publish(note('a'))
    await node.idle()
    await node.stop()
    const rotated = await rotateKey(state, 'secret')
    renameSync(join(state, 'private.pem'), join(state, 'private.pem.next'))
    copyFileSync(rotated.oldKey, join(state, 'private.pem'))
    const start = () => new ProducerNode(options('producer', { state, keyPassword: 'secret' })).start()
    await expect(start()).rejects.toThrow('If koi-mcp rotate-key was interrupted, run it again')
    expect(await rotateKey(state, 'secret')).toEqual(rotated)
    const again = await up(new ProducerNode(options('producer', { state, keyPassword: 'secret' })))
    expect(again.identity.rid).toBe(rotated.to)
    expect((await notesOf(again)).length).toBe(1)
  })

  it('is refused where there is no node, or its key cannot be opened', async () => {
    const folder = mkdtempSync(join(root, 'case-'))
    await expect(rotateKey(folder, undefined)).rejects.toMatchObject({ code: 'KEY_FILE' })
    expect(readdirSync(folder)).toEqual([])
    const state = join(folder, 'producer')
    const node = await up(new ProducerNode(options('producer', { state, keyPassword: 'secret' })))
    await node.stop()
    await expect(rotateKey(state, 'wrong')).rejects.toMatchObject({ code: 'KEY_FILE' })
    expect(readdirSync(state).filter((name) => name.endsWith('.pem'))).toEqual(['private.pem'])
  })
})
