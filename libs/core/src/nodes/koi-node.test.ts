import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { asRid, contentsOf, defineRidType, edgeRid, nodeNameOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { DomainExtension } from '../domain/domain-extension.ts'
import type { KnowledgeChange } from '../knowledge/knowledge-reader.ts'
import { LeaseLostError } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import type { NodeOptions } from './node-options.ts'
import { ProducerNode } from './producer-node.ts'
import { PublishError } from './publishing.ts'

const NoteRID = defineRidType('orn:notes.note')

class NotesExtension extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const ANY_PORT = 'http://127.0.0.1:0/koi-net'
const running: KoiNode[] = []
const folders: string[] = []

async function up<N extends KoiNode>(node: N): Promise<N> {
  running.push(node)
  await node.start()
  return node
}

const options = (name: string, more: Partial<NodeOptions> = {}) => ({
  name,
  baseUrl: ANY_PORT,
  domains: [new NotesExtension()],
  ...more,
})

const urlOf = (node: KoiNode): string => node.identity.profile.base_url ?? ''

async function network(more: Partial<NodeOptions> = {}) {
  const coordinator = await up(new CoordinatorNode({ ...options('coordinator'), baseUrl: ANY_PORT }))
  const firstContact = urlOf(coordinator)
  const producer = await up(new ProducerNode(options('producer', { firstContact, ...more })))
  const consumer = await up(new ConsumerNode(options('consumer', { firstContact })))
  await subscribed(producer, consumer)
  return { coordinator, producer, consumer }
}

async function until<T>(what: string, found: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + 50_000
  for (;;) {
    const value = await found()
    if (value !== undefined && value !== false) return value
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const subscribed = (provider: KoiNode, subscriber: KoiNode) =>
  until(`${subscriber.identity.name} subscribed to ${provider.identity.name}`, () => {
    const edge = subscriber.graph.edge(provider.identity.rid, subscriber.identity.rid)
    return edge?.profile.status === 'APPROVED' ? edge : undefined
  })

const textOf = (node: KoiNode, rid: Rid) => async (): Promise<string | undefined> =>
  (await node.store.read(rid))?.bundle.contents.text

async function unusedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'koi-node-'))
  folders.push(path)
  return path
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
  await Promise.all(folders.splice(0).map((path) => rm(path, { recursive: true })))
})

describe('a network of three nodes', () => {
  it('meets through the coordinator, subscribes, and passes NEW, UPDATE and FORGET on', async () => {
    const { coordinator, producer, consumer } = await network()
    const changes: string[] = []
    consumer.onChange(({ eventType, rid }: KnowledgeChange) => {
      if (NoteRID.matches(rid)) changes.push(eventType)
    })
    const rid = NoteRID.of('first')
    await producer.publish({ rid, contents: { text: 'one', size: 1 } })
    expect(await until('the note', textOf(consumer, rid))).toBe('{"text":"one","size":1}')
    expect(await until('the note there', textOf(coordinator, rid))).toBe('{"text":"one","size":1}')
    expect((await consumer.store.read(rid))?.origin).toBe(producer.identity.rid)

    await producer.publish({ rid, contents: { text: 'two' } })
    await until('the update', async () => ((await textOf(consumer, rid)()) === '{"text":"two"}' ? true : undefined))
    await producer.forget(rid)
    await until('the end', async () => ((await consumer.store.read(rid)) === undefined ? true : undefined))
    await consumer.idle()
    expect(changes).toEqual(['NEW', 'UPDATE', 'FORGET'])
  })

  it('[NEG-2] knows every node and edge of the network at the coordinator', async () => {
    const { coordinator, producer, consumer } = await network()
    const nodes = coordinator.graph.nodes().map(nodeNameOf).sort()
    expect(nodes).toEqual(['consumer', 'coordinator', 'producer'])
    await subscribed(producer, coordinator)
    const edge = consumer.graph.edge(producer.identity.rid, consumer.identity.rid)
    expect(edge).toEqual({
      rid: edgeRid(producer.identity.rid, consumer.identity.rid),
      profile: {
        source: producer.identity.rid,
        target: consumer.identity.rid,
        edge_type: 'WEBHOOK',
        status: 'APPROVED',
        rid_types: ['orn:notes.note'],
      },
    })
  })

  it('catches up with what was published before it came', async () => {
    const coordinator = await up(new CoordinatorNode({ ...options('coordinator'), baseUrl: ANY_PORT }))
    const firstContact = urlOf(coordinator)
    const producer = await up(new ProducerNode(options('producer', { firstContact })))
    const rids = Array.from({ length: 260 }, (_, index) => NoteRID.of(`n ${index}%#é`))
    await Promise.all(rids.map((rid, index) => producer.publish({ rid, contents: { index } })))
    const consumer = await up(new ConsumerNode(options('consumer', { firstContact })))
    await until('all notes', async () =>
      (await consumer.store.countByType()).get(NoteRID.name) === rids.length ? true : undefined,
    )
    expect(await textOf(consumer, rids[7] as Rid)()).toBe('{"index":7}')
  })

  it('misses nothing that is published while it subscribes', async () => {
    const coordinator = await up(new CoordinatorNode({ ...options('coordinator'), baseUrl: ANY_PORT }))
    const firstContact = urlOf(coordinator)
    const producer = await up(new ProducerNode(options('producer', { firstContact })))
    const consumer = new ConsumerNode(options('consumer', { firstContact }))
    running.push(consumer)
    const starting = consumer.start()
    const rids: Rid[] = []
    const subscribes = Date.now() + 2_000
    while (Date.now() < subscribes) {
      const rid = NoteRID.of(`n${rids.length}`)
      rids.push(rid)
      await producer.publish({ rid, contents: { n: rids.length } })
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await starting
    await until('all notes', async () => {
      const found = (await consumer.store.countByType()).get(NoteRID.name)
      return found === rids.length ? true : undefined
    })
  })

  it('serves a partial node that polls', async () => {
    const { coordinator, producer } = await network()
    const partial = await up(
      new ConsumerNode(
        options('partial', { baseUrl: undefined, firstContact: urlOf(coordinator), network: { pollIntervalMs: 50 } }),
      ),
    )
    expect(partial.identity.profile).toMatchObject({ node_type: 'PARTIAL' })
    await subscribed(producer, partial)
    const rid = NoteRID.of('polled')
    await producer.publish({ rid, contents: { polled: true } })
    await until('the polled note', textOf(partial, rid))
    await producer.forget(rid)
    await until('the polled end', async () => ((await partial.store.read(rid)) === undefined ? true : undefined))
  })
})

describe('a node that stops', () => {
  it('comes back as the same node and is told what it missed', async () => {
    const { coordinator, producer } = await network()
    const state = await folder()
    const late = options('late', { state, firstContact: urlOf(coordinator) })
    const first = await up(new ConsumerNode({ ...late, baseUrl: 'http://127.0.0.1:0/koi-net' }))
    await subscribed(producer, first)
    const { rid: self } = first.identity
    const baseUrl = urlOf(first)
    const gone = NoteRID.of('goes while it is away')
    await producer.publish({ rid: gone, contents: { here: 1 } })
    await until('the first note', textOf(first, gone))
    await first.stop()
    const missed = NoteRID.of('missed')
    await producer.publish({ rid: missed, contents: { here: 2 } })
    await producer.forget(gone)
    const again = await up(new ConsumerNode({ ...late, baseUrl }))
    expect(again.identity.rid).toBe(self)
    await until('the missed note', textOf(again, missed))
    await until('the missed end', async () => ((await again.store.read(gone)) === undefined ? true : undefined))
  })

  it('registers what it holds with its adapters at each start and when asked, and an adapter that fails stops nothing', async () => {
    const state = await folder()
    const shown: string[] = []
    class FailingNotes extends NotesExtension {
      override get adapters() {
        const register = ({ rid }: { rid: Rid }) => {
          shown.push(rid)
          if (rid === NoteRID.of('bad')) throw new Error('this adapter cannot')
        }
        return [{ name: 'failing', ridTypes: [NoteRID], register }]
      }
    }
    const producer = () => new ProducerNode(options('keeper', { state, domains: [new FailingNotes()] }))
    const all = [NoteRID.of('bad'), NoteRID.of('good')]
    const first = await up(producer())
    for (const rid of all) await first.publish({ rid, contents: {} })
    await first.idle()
    expect([shown.splice(0), first.adapterErrors]).toEqual([all, 1])
    await first.stop()

    const second = await up(producer())
    expect([shown.splice(0), second.adapterErrors]).toEqual([all, 1])
    await second.recoverState()
    expect([shown.splice(0), second.adapterErrors]).toEqual([all, 2])
    await second.publish({ rid: NoteRID.of('later'), contents: {} })
    await second.idle()
    expect(shown).toEqual([NoteRID.of('later')])
  })

  it('listens on the registry port, and goes by its base URL', async () => {
    const baseUrl = 'http://127.0.0.1/koi-net'
    const freePort = await unusedPort()
    const coordinator = await up(new CoordinatorNode({ ...options('behind-a-proxy'), baseUrl, registryPort: freePort }))
    expect(coordinator.baseUrl).toBe(baseUrl)
    const answer = await fetch(`http://127.0.0.1:${freePort}/.well-known/koi-net.json`)
    expect(await answer.json()).toMatchObject({ rid: coordinator.identity.rid, base_url: baseUrl })
  })

  it('refuses the folder of another node, saying which', async () => {
    const state = await folder()
    const one = await up(new ProducerNode(options('one', { state })))
    const { rid } = one.identity
    await one.stop()
    await expect(new ProducerNode(options('two', { state })).start()).rejects.toThrow(
      new RegExp(`the state folder belongs to the node ${rid.replace('+', '\\+')}`),
    )
  })

  it('refuses a wrong key password, saying what to do', async () => {
    const state = await folder()
    const one = await up(new ProducerNode(options('one', { state, keyPassword: 'right' })))
    await one.stop()
    const wrong = new ProducerNode(options('one', { state, keyPassword: 'wrong' }))
    await expect(wrong.start()).rejects.toThrow(/cannot open the private key .*private\.pem: .*password/)
  })
})

describe('publishing', () => {
  it('starts the node by itself, and takes an idempotency key once', async () => {
    const producer = new ProducerNode(options('producer'))
    running.push(producer)
    const rid = NoteRID.of('x')
    const first = await producer.publish({ rid, contents: { n: 1 } }, { idempotencyKey: 'k' })
    const again = await producer.publish({ rid, contents: { n: 2 } }, { idempotencyKey: 'k' })
    expect(again).toEqual({ rid, place: first.place })
    await producer.idle()
    expect(await textOf(producer, rid)()).toBe('{"n":1}')
  })

  it('publishes and forgets nothing under a lease that another holds', async () => {
    const producer = await up(new ProducerNode(options('producer')))
    const rid = NoteRID.of('x')
    const under = await producer.store.takeLease('work', 'one', 60_000)
    await producer.publish({ rid, contents: { n: 1 } }, { under })
    await producer.store.releaseLease(under!)
    const next = await producer.store.takeLease('work', 'two', 60_000)
    await expect(producer.publish({ rid, contents: { n: 2 } }, { under })).rejects.toThrow(LeaseLostError)
    await expect(producer.forget(rid, { under })).rejects.toThrow(LeaseLostError)
    await producer.idle()
    expect(await textOf(producer, rid)()).toBe('{"n":1}')
    await producer.forget(rid, { under: next })
    await producer.idle()
    expect(await textOf(producer, rid)()).toBeUndefined()
  })

  it('divides its work among its processes where they share a store, and has it all where they cannot', async () => {
    const alone = await up(new ProducerNode(options('producer')))
    expect(alone.divide('work').alone).toBe(true)
    const privateKeyFile = join(await folder(), 'private.pem')
    const openStore = () => openSqliteStore({ path: ':memory:' })
    const shared = await up(new ProducerNode(options('producer', { privateKeyFile, openStore })))
    const [one, two] = [shared.divide('work'), shared.divide('work')]
    for (const shares of [one, two]) await shares.start({ onGained: () => {}, onLost: () => Promise.resolve() })
    expect([one.held.length > 0, two.held.length, one.alone]).toEqual([true, 0, false])
    await Promise.all([one.stop(), two.stop()])
  })

  it('keeps the text of contents given as text', async () => {
    const producer = await up(new ProducerNode(options('producer')))
    const rid = NoteRID.of('text')
    await producer.publish({ rid, contentsText: '{"n":1.0,"big":12345678901234567890,"10":1,"9":2}' })
    await producer.idle()
    expect(await textOf(producer, rid)()).toBe('{"n":1.0,"big":12345678901234567890,"10":1,"9":2}')
  })

  it.each([
    [{ rid: 'nonsense', contentsText: '{}' }, /rid/],
    [{ rid: 'orn:notes.note:x', contentsText: '[1]' }, /object/],
    [{ rid: 'nonsense', contents: {} }, /rid/],
    [{ rid: `orn:notes.note:${'x'.repeat(200)}`, contents: {} }, /215 bytes of UTF-8/],
    [{ rid: 'orn:github.issue:o/r:007', contents: {} }, /grammar of orn:github.issue/],
    [{ rid: 'orn:koi-net.node:a+b', contents: {} }, /kept by the node itself/],
    [{ schema: 'Nothing', object: {} }, /no schema is named Nothing/],
    [{ some: 'thing' }, /./],
  ])('refuses %j', async (input, problem) => {
    const producer = await up(new ProducerNode(options('producer')))
    await expect(producer.publish(input)).rejects.toThrow(problem)
    expect(await producer.store.listRids({ types: [NoteRID.name] })).toEqual([])
  })

  it('forgets neither its own profile nor edges, nor what is no RID', async () => {
    const { consumer, producer } = await network()
    const edge = edgeRid(producer.identity.rid, consumer.identity.rid)
    for (const [node, rid, problem] of [
      [producer, producer.identity.rid, /^rid: orn:koi-net.node is kept by the node itself; forget what it published$/],
      [consumer, edge, /^rid: orn:koi-net.edge is kept by the node itself/],
      [consumer, 'nonsense', /^rid/],
    ] as const) {
      await expect(node.forget(rid)).rejects.toThrow(problem)
      await expect(node.forget(rid)).rejects.toThrow(PublishError)
    }
    await producer.idle()
    await consumer.idle()
    expect(await producer.store.read(producer.identity.rid)).toBeDefined()
    expect(consumer.graph.edge(producer.identity.rid, consumer.identity.rid)?.profile.status).toBe('APPROVED')
  })

  it('forgets what is cached under an RID too long to be published', async () => {
    const producer = await up(new ProducerNode(options('producer')))
    const rid = NoteRID.of('x'.repeat(200))
    await producer.store.accept([{ rid, contents: contentsOf({}) }])
    await producer.idle()
    await producer.forget(rid)
    await producer.idle()
    expect(await producer.store.read(rid)).toBeUndefined()
  })
})

it('says what to do when it is used before its start', () => {
  expect(() => new ProducerNode(options('p')).identity).toThrow('start the node first: await node.start()')
  expect(asRid('orn:notes.note:x')).toBe(NoteRID.of('x'))
})
