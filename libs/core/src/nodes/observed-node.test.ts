import { afterEach, describe, expect, it } from 'vitest'
import { defineRidType } from '@koi-mcp/protocol'
import { DomainExtension } from '../domain/domain-extension.ts'
import { PermanentError, TransientError } from '../domain/handler-errors.ts'
import type { NodeObserver } from '../node-observer.ts'
import { HandlerType } from '../pipeline/handler.ts'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import { ProducerNode } from './producer-node.ts'

const NoteRID = defineRidType('orn:notes.note')
const BASE = 'http://127.0.0.1:0/koi-net'

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, ({ attempt }, { rid }) => {
      if (rid.endsWith('poison')) throw new PermanentError('the index is gone')
      if (rid.endsWith('busy') && attempt === 1) throw new TransientError('the index is busy', { delayMs: 1 })
    })
  }
}

/** Counts calls under their method and everything that is no number. */
class Tally implements NodeObserver {
  readonly counts: Record<string, number> = {}
  readonly #count = (method: string, values: readonly unknown[], by = 1): void => {
    const key = [method, ...values].join(' ')
    this.counts[key] = (this.counts[key] ?? 0) + by
  }
  readonly eventsTaken: NodeObserver['eventsTaken'] = (way, received, accepted) => {
    this.#count('received', [way], received)
    this.#count('accepted', [way], accepted)
  }
  readonly eventRefused: NodeObserver['eventRefused'] = (...of) => this.#count('eventRefused', of)
  readonly requestRefused: NodeObserver['requestRefused'] = (...of) => this.#count('requestRefused', of)
  readonly applied: NodeObserver['applied'] = (...of) => this.#count('applied', of)
  readonly handled: NodeObserver['handled'] = (result, seconds) => {
    expect(seconds).toBeGreaterThan(0)
    this.#count('handled', [result])
  }
  readonly delivery: NodeObserver['delivery'] = (outcome, events) => this.#count('delivery', [outcome], events)
  readonly polled: NodeObserver['polled'] = (events) => this.#count('polled', [], events)
  readonly handshake: NodeObserver['handshake'] = (...of) => this.#count('handshake', of)
  readonly called: NodeObserver['called'] = (path, outcome, seconds) => {
    expect(seconds).toBeGreaterThan(0)
    this.#count('called', [path, outcome])
  }
  readonly published: NodeObserver['published'] = (...of) => this.#count('published', of)
}

const running: KoiNode[] = []
const up = async <N extends KoiNode>(node: N): Promise<N> => {
  running.push(node)
  await node.start()
  return node
}
const options = (name: string, observer: NodeObserver, firstContact?: string) => ({
  name,
  domains: [new Notes()],
  observer,
  firstContact,
})
const until = (condition: () => boolean): Promise<void> => expect.poll(condition, { interval: 10 }).toBe(true)

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

describe('the observer of a node', () => {
  it('is told of every business event once', async () => {
    const [ofCoordinator, ofProducer, ofPoller] = [new Tally(), new Tally(), new Tally()]
    const coordinator = await up(new CoordinatorNode({ ...options('coordinator', ofCoordinator), baseUrl: BASE }))
    const producer = await up(
      new ProducerNode({ ...options('producer', ofProducer, coordinator.baseUrl), baseUrl: BASE }),
    )
    const poller = await up(
      new ConsumerNode({ ...options('poller', ofPoller, coordinator.baseUrl), network: { pollIntervalMs: 20 } }),
    )
    await until(
      () => coordinator.graph.edge(producer.identity.rid, coordinator.identity.rid)?.profile.status === 'APPROVED',
    )
    await until(() => poller.graph.edge(producer.identity.rid, poller.identity.rid)?.profile.status === 'APPROVED')
    expect([producer.leads, coordinator.leads]).toEqual([true, true])

    for (const name of ['plain', 'busy', 'poison'])
      await producer.publish({ rid: `orn:notes.note:${name}`, contents: {} })
    await expect(producer.publish({ rid: 'no RID', contents: {} })).rejects.toThrow()
    await until(() => poller.graph.nodes().length === 3)
    await until(() => ofPoller.counts['applied NEW orn:notes.note'] === 2)
    await until(() => ofCoordinator.counts['applied NEW orn:notes.note'] === 2)
    await producer.forget('orn:notes.note:plain')
    await until(() => ofPoller.counts['applied FORGET orn:notes.note'] === 1)
    await coordinator.handleRequest('/events/broadcast', Buffer.from('{"no":"envelope"}'))
    await Promise.all([coordinator.idle(), producer.idle()])

    expect(ofProducer.counts).toMatchObject({
      'published publish accepted': 3,
      'published publish refused': 1,
      'published forget accepted': 1,
      'handled retried': 1,
      'handled dead_letter': 1,
      'applied NEW orn:notes.note': 2,
      'applied FORGET orn:notes.note': 1,
      'handshake out': 1,
    })
    expect(ofProducer.counts['polled']).toBeGreaterThanOrEqual(3)
    expect(ofProducer.counts['delivery delivered']).toBeGreaterThanOrEqual(3)
    expect(ofProducer.counts['called /events/broadcast ok']).toBeGreaterThanOrEqual(3)
    expect(ofCoordinator.counts).toMatchObject({
      'requestRefused /events/broadcast malformed': 1,
      'handshake in': 2,
    })
    expect(ofCoordinator.counts['accepted broadcast']).toBe(ofCoordinator.counts['received broadcast'])
    expect(ofPoller.counts['accepted poll']).toBe(ofPoller.counts['received poll'])
    expect(ofPoller.counts['called /events/poll ok']).toBeGreaterThanOrEqual(1)
  })
})
