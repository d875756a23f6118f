import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Rid } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { recordingLogger, until } from '../../test/peers.ts'
import { TransientError } from '../domain/handler-errors.ts'
import { HandlerType } from '../pipeline/handler.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import type { NodeOptions } from './node-options.ts'
import { ProducerNode } from './producer-node.ts'

const HOUR = 3_600_000
const YEAR = 365 * 24 * HOUR

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

/** Nodes whose clocks are moved together. */
class Machine {
  ahead = 0
  readonly clock = () => Date.now() + this.ahead

  async up<N extends KoiNode>(make: new (options: NodeOptions & { baseUrl: string }) => N, more: Partial<NodeOptions>) {
    const baseUrl = 'http://127.0.0.1:0/koi-net'
    const options = { name: make.name, baseUrl, domains: [new Notes()], clock: this.clock, ...more }
    const node = new make(options as typeof options & { baseUrl: string })
    stops.push(() => node.stop())
    await node.start()
    return node
  }

  async network(more: Partial<NodeOptions> = {}, producers: Partial<NodeOptions> = {}) {
    const coordinator = await this.up(CoordinatorNode, {})
    const firstContact = coordinator.baseUrl
    const producer = await this.up(ProducerNode, { firstContact, ...producers })
    const consumer = await this.up(ConsumerNode, { firstContact, ...more })
    await subscribed(producer, consumer)
    return { coordinator, producer, consumer }
  }
}

const subscribed = (provider: KoiNode, subscriber: KoiNode) =>
  until(() => subscriber.graph.edge(provider.identity.rid, subscriber.identity.rid)?.profile.status === 'APPROVED')

const holds = (node: KoiNode, rid: Rid, contents: object | undefined) =>
  until(async () => {
    const text = (await node.store.read(rid))?.bundle.contents.text
    return text === (contents === undefined ? undefined : JSON.stringify(contents))
  })

describe('a clock that is set', () => {
  it('an hour back, a year ahead and right again loses no change at any node', async () => {
    const machine = new Machine()
    const { producer, consumer, coordinator } = await machine.network()
    const rid = NoteRID.of('a')
    let n = 0
    for (const ahead of [0, -HOUR, 0, YEAR, YEAR - HOUR, 0, -HOUR]) {
      machine.ahead = ahead
      for (const node of [producer, coordinator, consumer]) {
        if (node === producer) await node.publish({ rid, contents: { n: ++n } })
        await holds(node, rid, { n })
      }
      const fresh = NoteRID.of(`fresh ${n}`)
      await producer.publish({ rid: fresh, contents: {} })
      await holds(consumer, fresh, {})
      await producer.forget(fresh)
      await holds(consumer, fresh, undefined)
      expect((await producer.store.inboxState()).pending).toBe(0)
    }
  })

  it.each([-HOUR, YEAR])('by %i ms delays no delivery that waits for its next try', async (step) => {
    const machine = new Machine()
    const state = await mkdtemp(join(tmpdir(), 'koi-clock-'))
    stops.push(() => rm(state, { recursive: true }))
    const log = recordingLogger()
    const { producer, consumer } = await machine.network({ state }, { log })
    const { baseUrl = '' } = consumer
    await consumer.stop()
    const rid = NoteRID.of('a')
    await producer.publish({ rid, contents: { n: 1 } })
    await until(() => log.lines.some(({ message }) => message.startsWith('could not deliver')))
    machine.ahead += step
    const again = await machine.up(ConsumerNode, { state, baseUrl })
    await holds(again, rid, { n: 1 })
    await until(async () => (await producer.store.outboxState()).length === 0)
  })

  it.each([-HOUR, YEAR])('by %i ms delays no handler that waits for its next try', async (step) => {
    const machine = new Machine()
    const node = await machine.up(ProducerNode, {})
    const attempts: number[] = []
    node.processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, ({ attempt }) => {
      attempts.push(attempt)
      if (attempt > 1) return
      machine.ahead += step
      throw new TransientError('not yet', { delayMs: 20 })
    })
    const { rid } = await node.publish({ rid: NoteRID.of('a'), contents: {} })
    await holds(node, rid, {})
    expect(attempts).toEqual([1, 2])
  })

  it.each([-HOUR, YEAR])('by %i ms while a handler runs makes it run once', async (step) => {
    const machine = new Machine()
    const node = await machine.up(ProducerNode, {})
    let runs = 0
    node.processor.registerHandler(HandlerType.Network, { ridTypes: [NoteRID] }, () => {
      runs += 1
      machine.ahead += step
    })
    await node.publish({ rid: NoteRID.of('a'), contents: {} })
    await node.idle()
    expect(runs).toBe(1)
    expect(await node.store.inboxState()).toMatchObject({ pending: 0, deadLetters: 0 })
  })

  it.each([-HOUR, YEAR])('by %i ms leaves a partial node polling, and each poll is answered once', async (step) => {
    const machine = new Machine()
    const { producer, consumer } = await machine.network({ baseUrl: undefined, network: { pollIntervalMs: 10 } })
    for (const n of [1, 2, 3]) {
      const rid = NoteRID.of(`a${n}`)
      machine.ahead += step
      await producer.publish({ rid, contents: { n } })
      await holds(consumer, rid, { n })
    }
    await until(async () => (await producer.store.outboxState()).length === 0)
  })

  it.each([-HOUR, YEAR])('by %i ms does not make a key be forgotten before its time', async (step) => {
    const machine = new Machine()
    const node = await machine.up(ProducerNode, {})
    const rid = NoteRID.of('a')
    const { place } = await node.publish({ rid, contents: {} }, { idempotencyKey: 'once' })
    machine.ahead += step
    expect(await node.publish({ rid, contents: { other: 1 } }, { idempotencyKey: 'once' })).toEqual({ rid, place })
  })

  it.each([-HOUR, YEAR])('by %i ms keeps nobody from joining and catching up', async (step) => {
    const machine = new Machine()
    const { coordinator, producer } = await machine.network()
    const { rid } = await producer.publish({ rid: NoteRID.of('a'), contents: { n: 1 } })
    machine.ahead += step
    const late = await machine.up(ConsumerNode, { name: 'late', firstContact: coordinator.baseUrl })
    await subscribed(producer, late)
    await holds(late, rid, { n: 1 })
  })
})
