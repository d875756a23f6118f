import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { contentsOf, edgeProfileContents, edgeRid, generateBundle } from '@koi-mcp/protocol'
import type { EventType, Rid } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { profileBundle, recordingLogger, testIdentity, until } from '../../test/peers.ts'
import { PermanentError } from '../domain/handler-errors.ts'
import type { LogFields } from '../logger.ts'
import { HandlerType } from '../pipeline/handler.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import type { NodeEvent } from './node-event.ts'
import type { NodeOptions } from './node-options.ts'
import { ProducerNode } from './producer-node.ts'

const HOUR = 3_600_000

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function up<N extends KoiNode>(
  make: new (options: NodeOptions & { baseUrl: string }) => N,
  more: Partial<NodeOptions> = {},
): Promise<N> {
  const baseUrl = 'http://127.0.0.1:0/koi-net'
  const options = { name: make.name, baseUrl, domains: [new Notes()], ...more }
  const node = new make(options as typeof options & { baseUrl: string })
  stops.push(() => node.stop({ graceMs: 100 }))
  await node.start()
  return node
}

/** A producer and a consumer that is subscribed to it. */
async function pair() {
  const { baseUrl: firstContact } = await up(CoordinatorNode)
  const producer = await up(ProducerNode, { firstContact })
  const consumer = await up(ConsumerNode, { firstContact })
  await until(() => producer.graph.edge(producer.identity.rid, consumer.identity.rid)?.profile.status === 'APPROVED')
  return { producer, consumer }
}

const holds = async (node: KoiNode, rid: Rid) => (await node.store.read(rid)) !== undefined
const changes = async (node: KoiNode, rid: Rid): Promise<readonly EventType[]> =>
  (await node.store.changesAfter(0, 10_000)).filter((change) => change.rid === rid).map(({ eventType }) => eventType)
const idle = (node: KoiNode) => until(async () => (await node.store.inboxState()).pending === 0)

/** As the sweep does it. */
const expire = async (node: KoiNode, rid: Rid) => {
  const stored = await node.store.read(rid)
  const arrival = { rid, eventType: 'FORGET', manifest: stored?.bundle.manifest, source: stored?.origin } as const
  await node.store.accept([arrival])
  await idle(node)
}

describe('knowledge that expires', { timeout: 30_000 }, () => {
  it('goes by itself, also after a restart with a shorter time', async () => {
    const state = await mkdtemp(join(tmpdir(), 'koi-ttl-'))
    stops.push(() => rm(state, { recursive: true }))
    const rid = NoteRID.of('a')
    const first = await up(ProducerNode, { state, ttlMs: HOUR })
    await first.publish({ rid, contents: {} })
    await idle(first)
    expect(await holds(first, rid)).toBe(true)
    await first.stop()
    const second = await up(ProducerNode, { state, ttlMs: 500 })
    await until(async () => !(await holds(second, rid)))
    expect((await changes(second, rid)).at(-1)).toBe('FORGET')
    expect(await holds(second, second.identity.rid)).toBe(true)
  })

  it('is forgotten by the subscribers of whoever published it', async () => {
    const { producer, consumer } = await pair()
    const rid = NoteRID.of('a')
    await producer.publish({ rid, contents: {} })
    await until(() => holds(consumer, rid))
    await expire(producer, rid)
    await until(async () => !(await holds(consumer, rid)))
    expect(await changes(consumer, rid)).toEqual(['NEW', 'FORGET'])
  })

  it('is dropped without a word where it came from another node, which keeps it', async () => {
    const { producer, consumer } = await pair()
    const rid = NoteRID.of('a')
    await producer.publish({ rid, contents: {} })
    await until(() => holds(consumer, rid))
    const events: NodeEvent[] = []
    consumer.onEvent((event) => events.push(event))
    await expire(consumer, rid)
    expect(await changes(consumer, rid)).toEqual(['NEW', 'FORGET'])
    expect(events.map(({ event, source }) => [event, source])).toEqual([['FORGET', undefined]])
    expect(await holds(producer, rid)).toBe(true)
    // News of it is taken as ever.
    await producer.publish({ rid, contents: { n: 2 } })
    await until(() => holds(consumer, rid))
  })

  it.each([undefined, HandlerType.Network, HandlerType.Final])(
    'is passed on to nobody by a node that provides the type, whatever handler waits for it (%s)',
    async (phase) => {
      const node = await up(ProducerNode)
      if (phase !== undefined) {
        node.processor.registerHandler(phase, { ridTypes: [NoteRID] }, (_, kobj) => {
          if (kobj.normalizedEventType === 'FORGET') throw new PermanentError('broken')
        })
      }
      const [origin, peer] = [testIdentity('origin'), testIdentity('peer')]
      const edge = edgeRid(node.identity.rid, peer.rid)
      const proposal = edgeProfileContents({
        source: node.identity.rid,
        target: peer.rid,
        edge_type: 'POLL',
        status: 'PROPOSED',
        rid_types: [NoteRID.name],
      })
      await node.store.accept([
        { rid: peer.rid, eventType: 'NEW', ...profileBundle(peer), source: peer.rid },
        { rid: edge, eventType: 'NEW', ...generateBundle(edge, proposal, '2026-01-01T00:00:00Z'), source: peer.rid },
      ])
      await idle(node)
      /** What the peer is told of notes since the last time. */
      const told = async () => {
        const take = { owner: 'test', leaseMs: 1_000, limit: 0, ignoreDue: true }
        const batch = await node.store.takeDeliveries(peer.rid, take)
        if (batch !== undefined) await node.store.deliveriesDone(batch)
        return (batch?.rids ?? []).filter((told) => NoteRID.matches(told))
      }
      const rid = NoteRID.of('a')
      const bundle = generateBundle(rid, contentsOf({}), '2026-01-01T00:00:00Z')
      await node.store.accept([{ rid, ...bundle, source: origin.rid }])
      await idle(node)
      expect(await told()).toEqual([rid])
      await expire(node, rid)
      expect(await holds(node, rid)).toBe(false)
      expect((await node.store.inboxState()).deadLetters).toBe(phase === undefined ? 0 : 1)
      expect(await told()).toEqual([])
    },
  )

  it('stays when something newer was published before it was its turn', async () => {
    const node = await up(ProducerNode)
    const rid = NoteRID.of('a')
    await node.publish({ rid, contents: { n: 1 } })
    await idle(node)
    const manifest = (await node.store.read(rid))?.bundle.manifest
    await node.publish({ rid, contents: { n: 2 } })
    await node.store.accept([{ rid, eventType: 'FORGET', manifest }])
    await idle(node)
    expect((await node.store.read(rid))?.bundle.contents.text).toBe('{"n":2}')
    expect(await changes(node, rid)).toEqual(['NEW', 'UPDATE'])
  })

  it('is taken from others neither as an event nor by catching up', async () => {
    const log = recordingLogger()
    const { baseUrl: firstContact } = await up(CoordinatorNode)
    const producer = await up(ProducerNode, { firstContact })
    const [early, late] = [NoteRID.of('early'), NoteRID.of('late')]
    await producer.publish({ rid: early, contents: {} })
    await idle(producer)
    const clock = () => Date.now() + 2 * HOUR
    const consumer = await up(ConsumerNode, { firstContact, ttlMs: HOUR, clock, log })
    const isOfProducer = (fields: LogFields = {}) => fields['peer'] === producer.identity.rid
    await until(() => log.lines.some(({ message, fields }) => message === 'caught up' && isOfProducer(fields)))
    await producer.publish({ rid: late, contents: {} })
    await until(() => log.lines.some(({ message }) => message === 'dropped: older than persistence.ttl'))
    await idle(consumer)
    expect([await holds(consumer, early), await holds(consumer, late)]).toEqual([false, false])
    const dropped = log.lines.filter(({ message }) => message === 'dropped: older than persistence.ttl')
    expect(dropped.map(({ fields }) => fields?.['rid'])).toEqual([late])
  })
})
