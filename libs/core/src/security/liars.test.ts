/** Real nodes in one network, and a node of it that says what is not its to say. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import { nodeProfileContents } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { bundleNow, forgetText, Outsider, updateEvent } from '../../test/outsider.ts'
import { newEvent, recordingLogger, until } from '../../test/peers.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'
import type { NodeOptions } from '../nodes/node-options.ts'
import { ProducerNode } from '../nodes/producer-node.ts'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

type More = Omit<Partial<NodeOptions>, 'baseUrl'>

async function up<N extends KoiNode>(make: (options: NodeOptions & { baseUrl: string }) => N, more: More) {
  const log = recordingLogger()
  const node = make({ name: 'node', baseUrl: 'http://127.0.0.1:0/koi-net', domains: [new Notes()], log, ...more })
  await node.start()
  stops.push(() => node.stop())
  const warnings = (): unknown[] =>
    log.lines
      .filter(({ level, message }) => level === 'warn' && message.startsWith('dropped'))
      .map(({ message, fields }) => [message, fields?.['rid']])
  return Object.assign(node, { warnings })
}
const coordinator = (more: More = {}) => up((options) => new CoordinatorNode(options), more)
const producer = (more: More = {}) => up((options) => new ProducerNode(options), more)
const consumer = (more: More = {}) => up((options) => new ConsumerNode(options), more)

async function outsider(provides?: readonly string[]): Promise<Outsider> {
  const node = await Outsider.start(provides)
  stops.push(node.stop)
  return node
}

const textOf = async (node: KoiNode, rid: Rid) => (await node.store.read(rid))?.bundle.contents.text

const approved = (provider: KoiNode, subscriber: KoiNode) =>
  until(() => subscriber.graph.edge(provider.identity.rid, subscriber.identity.rid)?.profile.status === 'APPROVED')

/** A coordinator, a producer of one note, and a consumer that has it. */
async function network(security?: NodeOptions['security']) {
  const hub = await coordinator({ name: 'hub', security })
  const firstContact = hub.baseUrl
  const source = await producer({ name: 'source', firstContact, security })
  const reader = await consumer({ name: 'reader', firstContact, security })
  await Promise.all([approved(source, reader), approved(source, hub)])
  const note = NoteRID.of('note')
  await source.publish({ rid: note, contents: { n: 1 } })
  for (const node of [hub, reader]) await until(async () => (await textOf(node, note)) === '{"n":1}')
  return { hub, source, reader, note }
}

/** What a node holds, but for the liar: nothing of it may change. */
async function holdings(node: KoiNode, liar: Rid): Promise<unknown> {
  const bundles = await node.store.listBundles()
  return bundles
    .filter(({ rid, bundle }) => rid !== liar && !bundle.contents.text.includes(liar))
    .map(({ rid, bundle, origin, seq }) => [rid, bundle.contents.text, bundle.manifest.text, origin, seq])
}

describe('a node that speaks about what is not its own', () => {
  it('changes nothing, at the coordinator as little as at a consumer, and its good event in the same envelope is applied', async () => {
    const { hub, source, reader, note } = await network()
    const liar = await outsider([NoteRID.name])
    const elsewhere = { ...source.identity.profile, base_url: 'http://127.0.0.1:9/koi-net' }
    const moved = bundleNow(source.identity.rid, nodeProfileContents(elsewhere).value)
    const edge = [...hub.graph.edgesOf(source.identity.rid)].find(
      ({ profile }) => profile.target === reader.identity.rid,
    )
    for (const node of [hub, reader]) {
      await liar.introduce(node)
      // Both ask it for something: the coordinator of everyone, the consumer for what its profile says it provides.
      await until(() => node.graph.edge(liar.rid, node.identity.rid) !== undefined)
      const before = await holdings(node, liar.rid)
      const warned = node.warnings().length
      const change = { provides: { event: [NoteRID.name, 'orn:more'], state: [] } }
      await liar.tell(
        node,
        forgetText(note),
        updateEvent(bundleNow(note, { n: 'lie' })),
        forgetText(source.identity.rid),
        updateEvent(moved),
        forgetText(edge!.rid),
        updateEvent(liar.profileBundle(change)),
      )
      expect(await holdings(node, liar.rid)).toEqual(before)
      expect(node.graph.profile(liar.rid)?.provides.event).toEqual([NoteRID.name, 'orn:more'])
      const about = [note, note, source.identity.rid, source.identity.rid]
      expect(
        node
          .warnings()
          .slice(warned)
          .map((warning) => (warning as unknown[])[1])
          .sort(),
      ).toEqual([...about, edge!.rid].sort())
    }
    // And what is true still comes through.
    await source.publish({ rid: note, contents: { n: 2 } })
    for (const node of [hub, reader]) await until(async () => (await textOf(node, note)) === '{"n":2}')
    await source.forget(note)
    for (const node of [hub, reader]) await until(async () => (await textOf(node, note)) === undefined)
  })

  it('cannot take a name before its owner does, unless it is asked for that type', async () => {
    const { hub, source, reader } = await network()
    const liar = await outsider()
    const squatted = NoteRID.of('squatted')
    for (const node of [hub, reader]) {
      await liar.introduce(node)
      await liar.tell(
        node,
        newEvent(bundleNow(squatted, { by: 'liar' })),
        newEvent({ manifest: bundleNow(squatted, { by: 'liar' }).manifest } as Bundle),
      )
      expect(await textOf(node, squatted)).toBeUndefined()
    }
    await source.publish({ rid: squatted, contents: { by: 'owner' } })
    for (const node of [hub, reader]) await until(async () => (await textOf(node, squatted)) === '{"by":"owner"}')
  })

  it('changes what others told in open mode, but not what a node published itself', async () => {
    const { source, reader, note } = await network({ authority: 'open' })
    const liar = await outsider()
    for (const node of [source, reader]) {
      await liar.introduce(node)
      await liar.tell(node, updateEvent(bundleNow(note, { n: 'lie' })))
    }
    expect(await textOf(reader, note)).toBe('{"n":"lie"}')
    expect(await textOf(source, note)).toBe('{"n":1}')
    await liar.tell(reader, forgetText(note), forgetText(source.identity.rid), forgetText(reader.identity.rid))
    expect(await textOf(reader, note)).toBeUndefined()
    expect(reader.graph.profile(source.identity.rid)).toBeUndefined()
    expect(reader.graph.profile(reader.identity.rid)).toEqual(reader.identity.profile)
  })
})

describe('a coordinator', () => {
  it('goes on telling its subscribers of nodes that come, change and go, whoever told of them first', async () => {
    const { hub, reader } = await network()
    const node = await outsider()
    await node.introduce(reader)
    await node.introduce(hub)
    expect((await reader.store.read(node.rid))?.origin).toBe(node.rid)
    const base_url = `${node.identity.profile.base_url}/moved`
    await node.tell(hub, updateEvent(node.profileBundle({ base_url })))
    await until(() => reader.graph.profile(node.rid)?.base_url === base_url)
    await node.tell(hub, forgetText(node.rid))
    await until(() => reader.graph.profile(node.rid) === undefined)
    await node.tell(hub, newEvent(node.profileBundle()))
    await until(() => reader.graph.profile(node.rid)?.base_url === node.identity.profile.base_url)
    // Met anew: FORGET and NEW in one envelope.
    await node.tell(hub, forgetText(node.rid), newEvent(node.profileBundle({ base_url })))
    await until(() => reader.graph.profile(node.rid)?.base_url === base_url)
    expect(reader.warnings()).toEqual([])
  })

  it('passes on what a coordinator behind it tells, also that a node went', async () => {
    const { hub, reader } = await network()
    const branch = await coordinator({ name: 'branch', firstContact: hub.baseUrl })
    await Promise.all([approved(hub, branch), approved(branch, hub)])
    const node = await outsider()
    await node.introduce(branch)
    await until(() => reader.graph.profile(node.rid) !== undefined)
    // The branch tells the reader as well, which may hear of it first.
    await until(async () => (await hub.store.read(node.rid))?.origin === branch.identity.rid)
    await node.tell(branch, forgetText(node.rid))
    for (const at of [branch, hub, reader]) await until(() => at.graph.profile(node.rid) === undefined)
  })
})

describe('a provider', () => {
  it('is believed in the same envelope that approves what this node asked of it', async () => {
    const { reader } = await network()
    const provider = await outsider([NoteRID.name])
    await provider.introduce(reader)
    const notes = Array.from({ length: 50 }, (_, index) => bundleNow(NoteRID.of(`early ${index}`), { index }))
    await provider.approve(reader, ...notes.map(newEvent))
    for (const { manifest } of notes) expect(await textOf(reader, manifest.rid)).toBeDefined()
    expect(reader.warnings()).toEqual([])
  })

  it('that is met anew is caught up with, for all that was dropped until it was asked again', async () => {
    const { reader } = await network()
    const provider = await outsider([NoteRID.name])
    await provider.introduce(reader)
    await provider.approve(reader)
    const rid = NoteRID.of('meanwhile')
    const bundle = bundleNow(rid, { n: 1 })
    provider.holds.set(rid, bundle)
    const again = newEvent(provider.profileBundle())
    await provider.tell(reader, newEvent(bundle), forgetText(provider.rid), again)
    await provider.approve(reader)
    await until(async () => (await textOf(reader, rid)) === '{"n":1}')
  })
})

describe('a node with a new key', () => {
  it('changes what it published under the old one, once that said goodbye', async () => {
    const { reader } = await network()
    const [old, renewed] = [await outsider([NoteRID.name]), await outsider([NoteRID.name])]
    const rid = NoteRID.of('kept')
    for (const node of [old, renewed]) {
      await node.introduce(reader)
      await until(() => reader.graph.edge(node.rid, reader.identity.rid) !== undefined)
    }
    await old.tell(reader, newEvent(bundleNow(rid, { by: 'old' })))
    await renewed.tell(reader, updateEvent(bundleNow(rid, { by: 'renewed, too early' })))
    expect(await textOf(reader, rid)).toBe('{"by":"old"}')
    await old.tell(reader, forgetText(old.rid))
    await renewed.tell(reader, updateEvent(bundleNow(rid, { by: 'renewed' })))
    expect(await textOf(reader, rid)).toBe('{"by":"renewed"}')
  })
})
