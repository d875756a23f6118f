/** Real nodes in one network, and a node of it that says what is not its to say. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  contentsOf,
  defineRidType,
  eventFromBundle,
  eventText,
  forgetEvent,
  formatTimestamp,
  generateBundle,
  microsOf,
  nodeProfileContents,
} from '@koi-mcp/protocol'
import type { Bundle, NodeProfile, Rid } from '@koi-mcp/protocol'
import { envelopeOf, eventsPayload, recordingLogger, testIdentity, testServer, until } from '../../test/peers.ts'
import { DomainExtension } from '../domain/domain-extension.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'
import type { NodeOptions } from '../nodes/node-options.ts'
import { ProducerNode } from '../nodes/producer-node.ts'

const NoteRID = defineRidType('orn:notes.note')

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

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

/** A node written by somebody else: it answers `null` to all that it is told, and says what the test makes it say. */
async function somebody(provides: readonly string[] = []) {
  const server = await testServer()
  stops.push(() => server.close())
  const identity = testIdentity('somebody', `${server.origin}/koi-net`, provides)
  const tell = async (node: KoiNode, ...eventTexts: readonly string[]): Promise<void> => {
    const body = envelopeOf(identity, node.identity.rid, eventsPayload(...eventTexts))
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`${node.baseUrl}/events/broadcast`, { method: 'POST', headers, body })
    expect(status).toBe(200)
    await worked(node)
  }
  const introduce = (node: KoiNode) => tell(node, told('NEW', profileBundleOf(identity)))
  return { identity, tell, introduce }
}

/** Waits for the inbox alone. */
const worked = (node: KoiNode) => until(async () => (await node.store.inboxState()).pending === 0)

let stamps = 0n
/** A bundle made now; each is newer than the one before. */
const bundleNow = (rid: Rid, contents: object): Bundle =>
  generateBundle(rid, contentsOf(contents), formatTimestamp(microsOf(new Date()) + (stamps += 1_000n)))
const profileBundleOf = ({ rid, profile }: NodeIdentity, change: Partial<NodeProfile> = {}): Bundle =>
  bundleNow(rid, nodeProfileContents({ ...profile, ...change }).value)
const told = (type: 'NEW' | 'UPDATE', bundle: Bundle): string => eventText(eventFromBundle(type, bundle))
const forgotten = (rid: Rid): string => eventText(forgetEvent(rid))
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
    const liar = await somebody([NoteRID.name])
    const moved = profileBundleOf(source.identity, { base_url: 'http://127.0.0.1:9/koi-net' })
    const edge = [...hub.graph.edgesOf(source.identity.rid)].find(
      ({ profile }) => profile.target === reader.identity.rid,
    )
    for (const node of [hub, reader]) {
      await liar.introduce(node)
      // Both ask it for something: the coordinator of everyone, the consumer for what its profile says it provides.
      await until(() => node.graph.edge(liar.identity.rid, node.identity.rid) !== undefined)
      const before = await holdings(node, liar.identity.rid)
      const warned = node.warnings().length
      const change = { provides: { event: [NoteRID.name, 'orn:more'], state: [] } }
      await liar.tell(
        node,
        forgotten(note),
        told('UPDATE', bundleNow(note, { n: 'lie' })),
        forgotten(source.identity.rid),
        told('UPDATE', moved),
        forgotten(edge!.rid),
        told('UPDATE', profileBundleOf(liar.identity, change)),
      )
      expect(await holdings(node, liar.identity.rid)).toEqual(before)
      expect(node.graph.profile(liar.identity.rid)?.provides.event).toEqual([NoteRID.name, 'orn:more'])
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
    const liar = await somebody()
    const squatted = NoteRID.of('squatted')
    for (const node of [hub, reader]) {
      await liar.introduce(node)
      await liar.tell(
        node,
        told('NEW', bundleNow(squatted, { by: 'liar' })),
        told('NEW', { manifest: bundleNow(squatted, { by: 'liar' }).manifest } as Bundle),
      )
      expect(await textOf(node, squatted)).toBeUndefined()
    }
    await source.publish({ rid: squatted, contents: { by: 'owner' } })
    for (const node of [hub, reader]) await until(async () => (await textOf(node, squatted)) === '{"by":"owner"}')
  })

  it('changes what others told in open mode, but not what a node published itself', async () => {
    const { source, reader, note } = await network({ authority: 'open' })
    const liar = await somebody()
    for (const node of [source, reader]) {
      await liar.introduce(node)
      await liar.tell(node, told('UPDATE', bundleNow(note, { n: 'lie' })))
    }
    expect(await textOf(reader, note)).toBe('{"n":"lie"}')
    expect(await textOf(source, note)).toBe('{"n":1}')
    await liar.tell(reader, forgotten(note), forgotten(source.identity.rid), forgotten(reader.identity.rid))
    expect(await textOf(reader, note)).toBeUndefined()
    expect(reader.graph.profile(source.identity.rid)).toBeUndefined()
    expect(reader.graph.profile(reader.identity.rid)).toEqual(reader.identity.profile)
  })
})

describe('a coordinator', () => {
  it('goes on telling its subscribers of nodes that come, change and go, whoever told of them first', async () => {
    const { hub, reader } = await network()
    const node = await somebody()
    await node.introduce(reader)
    await node.introduce(hub)
    expect((await reader.store.read(node.identity.rid))?.origin).toBe(node.identity.rid)
    const base_url = `${node.identity.profile.base_url}/moved`
    await node.tell(hub, told('UPDATE', profileBundleOf(node.identity, { base_url })))
    await until(() => reader.graph.profile(node.identity.rid)?.base_url === base_url)
    await node.tell(hub, forgotten(node.identity.rid))
    await until(() => reader.graph.profile(node.identity.rid) === undefined)
    await node.tell(hub, told('NEW', profileBundleOf(node.identity)))
    await until(() => reader.graph.profile(node.identity.rid)?.base_url === node.identity.profile.base_url)
    // Met anew: FORGET and NEW in one envelope.
    await node.tell(hub, forgotten(node.identity.rid), told('NEW', profileBundleOf(node.identity, { base_url })))
    await until(() => reader.graph.profile(node.identity.rid)?.base_url === base_url)
    expect(reader.warnings()).toEqual([])
  })

  it('passes on what a coordinator behind it tells, also that a node went', async () => {
    const { hub, reader } = await network()
    const branch = await coordinator({ name: 'branch', firstContact: hub.baseUrl })
    await Promise.all([approved(hub, branch), approved(branch, hub)])
    const node = await somebody()
    await node.introduce(branch)
    await until(() => reader.graph.profile(node.identity.rid) !== undefined)
    expect((await hub.store.read(node.identity.rid))?.origin).toBe(branch.identity.rid)
    await node.tell(branch, forgotten(node.identity.rid))
    for (const at of [branch, hub, reader]) await until(() => at.graph.profile(node.identity.rid) === undefined)
  })
})

describe('a node with a new key', () => {
  it('changes what it published under the old one, once that said goodbye', async () => {
    const { reader } = await network()
    const [old, renewed] = [await somebody([NoteRID.name]), await somebody([NoteRID.name])]
    const rid = NoteRID.of('kept')
    for (const node of [old, renewed]) {
      await node.introduce(reader)
      await until(() => reader.graph.edge(node.identity.rid, reader.identity.rid) !== undefined)
    }
    await old.tell(reader, told('NEW', bundleNow(rid, { by: 'old' })))
    await renewed.tell(reader, told('UPDATE', bundleNow(rid, { by: 'renewed, too early' })))
    expect(await textOf(reader, rid)).toBe('{"by":"old"}')
    await old.tell(reader, forgotten(old.identity.rid))
    await renewed.tell(reader, told('UPDATE', bundleNow(rid, { by: 'renewed' })))
    expect(await textOf(reader, rid)).toBe('{"by":"renewed"}')
  })
})
