import { afterEach, describe, expect, it } from 'vitest'
import {
  contentsOf,
  defineRidType,
  edgeProfileContents,
  edgeRid,
  generateBundle,
  KOI_NET_NODE,
} from '@koi-mcp/protocol'
import type { EventType, Rid } from '@koi-mcp/protocol'
import { profileBundle, testIdentity, until } from '../../test/peers.ts'
import { DomainExtension } from '../domain/domain-extension.ts'
import { PermanentError, TransientError } from '../domain/handler-errors.ts'
import { ProducerNode } from '../nodes/producer-node.ts'
import type { NewArrival } from '../store/node-store.ts'
import { HandlerType, STOP_CHAIN } from './handler.ts'
import type { HandlerFunction, HandlerType as Phase } from './handler.ts'

const NoteRID = defineRidType('orn:notes.note')

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const nodes: ProducerNode[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})

/** A producer that nobody reaches, with one partial subscriber whose queue can be read. */
async function producerWith(phase: Phase, handler: HandlerFunction, ridTypes = [NoteRID]) {
  const node = new ProducerNode({
    name: 'producer',
    baseUrl: 'http://127.0.0.1:9/koi-net',
    listen: false,
    domains: [new Notes()],
    network: { maxRetries: 2 },
  })
  nodes.push(node)
  node.processor.registerHandler(phase, { ridTypes }, handler)
  await node.start()
  const peer = testIdentity('peer')
  const settle = async (...arrivals: NewArrival[]) => {
    await node.store.accept(arrivals)
    await until(async () => (await node.store.inboxState()).pending === 0)
  }
  const edge = edgeRid(node.identity.rid, peer.rid)
  const proposal = edgeProfileContents({
    source: node.identity.rid,
    target: peer.rid,
    edge_type: 'POLL',
    status: 'PROPOSED',
    rid_types: [NoteRID.name],
  })
  await settle(
    { rid: peer.rid, eventType: 'NEW', ...profileBundle(peer), source: peer.rid },
    { rid: edge, eventType: 'NEW', ...generateBundle(edge, proposal, '2026-01-01T00:00:00Z'), source: peer.rid },
  )
  /** What the peer is told of notes since the last time. */
  const told = async (): Promise<string[]> => {
    const take = { owner: 'test', leaseMs: 1_000, limit: 0, ignoreDue: true }
    const batch = await node.store.takeDeliveries(peer.rid, take)
    if (batch === undefined) return []
    await node.store.deliveriesDone(batch)
    const events = batch.eventTexts.map((text) => JSON.parse(text) as { event_type: EventType; rid: Rid })
    return events.filter(({ rid }) => NoteRID.matches(rid)).map(({ event_type, rid }) => `${event_type} ${rid}`)
  }
  return { node, peer, settle, told }
}

const failures: readonly [string, HandlerFunction][] = [
  [
    'fails for good',
    () => {
      throw new PermanentError('broken')
    },
  ],
  [
    'fails by mistake',
    () => {
      throw new TypeError('broken')
    },
  ],
  [
    'fails at every try',
    () => {
      throw new TransientError('broken', { delayMs: 1 })
    },
  ],
  [
    'gives up by itself',
    (processor) => {
      processor.deadLetter(new Error('broken'))
      return STOP_CHAIN
    },
  ],
]

describe('knowledge that is cached', () => {
  it.each(failures)('is announced although a handler of the Network phase %s', async (_, handler) => {
    const { node, told } = await producerWith(HandlerType.Network, handler)
    const rid = NoteRID.of('a')
    const idle = () => until(async () => (await node.store.inboxState()).pending === 0)
    for (const [n, type] of (['NEW', 'UPDATE'] as const).entries()) {
      await node.publish({ rid, contents: { n } })
      await idle()
      expect(await told()).toEqual([`${type} ${rid}`])
    }
    await node.forget(rid)
    await idle()
    expect(await told()).toEqual([`FORGET ${rid}`])
    const letters = await node.store.listDeadLetters()
    expect(letters.map(({ error, arrival }) => [error, arrival.rid])).toEqual(Array(3).fill(['broken', rid]))
  })

  it('is announced once when a handler of the Final phase fails for good', async () => {
    const { node, told } = await producerWith(HandlerType.Final, () => {
      throw new PermanentError('broken')
    })
    const rid = NoteRID.of('a')
    await node.publish({ rid, contents: {} })
    await until(async () => (await node.store.inboxState()).pending === 0)
    expect(await told()).toEqual([`NEW ${rid}`])
    expect(await node.store.listDeadLetters()).toMatchObject([{ error: 'broken', arrival: { rid } }])
  })

  it('is not announced when it failed before it was cached', async () => {
    const { node, told } = await producerWith(HandlerType.Bundle, () => {
      throw new PermanentError('broken')
    })
    await node.publish({ rid: NoteRID.of('a'), contents: {} })
    await until(async () => (await node.store.inboxState()).pending === 0)
    expect(await told()).toEqual([])
  })

  it('keeps what the handlers in front of the broken one gave rise to, and nothing of that one', async () => {
    const pushed = NoteRID.of('half')
    const broken: HandlerFunction = (processor, kobj) => {
      if (kobj.normalizedEventType !== 'FORGET') return
      processor.push({ rid: pushed, contents: contentsOf({}) })
      throw new PermanentError('broken')
    }
    const { node, peer, settle } = await producerWith(HandlerType.Final, broken, [KOI_NET_NODE])
    expect(node.graph.edgesOf(peer.rid)).toHaveLength(1)
    await settle({ rid: peer.rid, eventType: 'FORGET', source: peer.rid })
    expect(node.graph.edgesOf(peer.rid)).toEqual([])
    expect(await node.store.read(pushed)).toBeUndefined()
    expect((await node.store.inboxState()).deadLetters).toBe(1)
  })
})

describe('a dead letter that is replayed', () => {
  /** A handler that is broken until it is mended; what it was called with after that. */
  const mendable = (phase: Phase) => {
    const calls: string[] = []
    const handler = { broken: true, calls }
    const run: HandlerFunction = (_, kobj) => {
      if (handler.broken) throw new PermanentError('broken')
      calls.push(`${kobj.normalizedEventType} ${kobj.contents?.text}`)
    }
    return { handler, started: producerWith(phase, run) }
  }
  const replay = async (node: ProducerNode) => {
    for (const { place } of await node.store.listDeadLetters()) await node.store.replayDeadLetter(place)
    await until(async () => (await node.store.inboxState()).pending === 0)
    expect(await node.store.listDeadLetters()).toEqual([])
  }

  it.each([HandlerType.Rid, HandlerType.Bundle, HandlerType.Network, HandlerType.Final])(
    'runs the handler of phase %s that failed',
    async (phase) => {
      const { handler, started } = mendable(phase)
      const { node, told } = await started
      const rid = NoteRID.of('a')
      await node.publish({ rid, contents: { n: 1 } })
      await until(async () => (await node.store.inboxState()).deadLetters === 1)
      handler.broken = false
      await replay(node)
      expect(handler.calls).toEqual([phase === HandlerType.Rid ? 'undefined {"n":1}' : 'NEW {"n":1}'])
      expect((await node.store.read(rid))?.bundle.contents.text).toBe('{"n":1}')
      expect((await told()).length).toBeGreaterThan(0)
    },
  )

  it('of a FORGET shows the handlers behind the cache what went', async () => {
    const { handler, started } = mendable(HandlerType.Final)
    const { node } = await started
    handler.broken = false
    const rid = NoteRID.of('a')
    await node.publish({ rid, contents: { n: 1 } })
    await until(async () => (await node.store.inboxState()).pending === 0)
    handler.broken = true
    await node.forget(rid)
    await until(async () => (await node.store.inboxState()).deadLetters === 1)
    handler.broken = false
    await replay(node)
    expect(handler.calls).toEqual(['NEW {"n":1}', 'FORGET {"n":1}'])
  })

  it.each([HandlerType.Bundle, HandlerType.Network, HandlerType.Final])(
    'of phase %s is over where something newer came meanwhile',
    async (phase) => {
      const { handler, started } = mendable(phase)
      const { node, told } = await started
      const rid = NoteRID.of('a')
      await node.publish({ rid, contents: { n: 1 } })
      await until(async () => (await node.store.inboxState()).deadLetters === 1)
      handler.broken = false
      await node.publish({ rid, contents: { n: 2 } })
      await until(async () => (await node.store.inboxState()).pending === 0)
      await told()
      const seen = handler.calls.splice(0)
      expect(seen.at(-1)).toMatch(/\{"n":2\}/)
      await replay(node)
      expect(handler.calls).toEqual([])
      expect((await node.store.read(rid))?.bundle.contents.text).toBe('{"n":2}')
      expect(await told()).toEqual([])
    },
  )

  it('of a FORGET behind the cache tells nobody to forget what is there again', async () => {
    const { handler, started } = mendable(HandlerType.Network)
    const { node, told } = await started
    const rid = NoteRID.of('a')
    handler.broken = false
    await node.publish({ rid, contents: { n: 1 } })
    await until(async () => (await node.store.inboxState()).pending === 0)
    handler.broken = true
    await node.forget(rid)
    await until(async () => (await node.store.inboxState()).deadLetters === 1)
    handler.broken = false
    await node.publish({ rid, contents: { n: 2 } })
    await until(async () => (await node.store.inboxState()).pending === 0)
    await told()
    await replay(node)
    expect(await told()).toEqual([])
    expect((await node.store.read(rid))?.bundle.contents.text).toBe('{"n":2}')
  })
})
