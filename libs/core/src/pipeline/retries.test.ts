import { afterEach, describe, expect, it } from 'vitest'
import { NoteRID, Notes } from '../../test/notes.ts'
import { until } from '../../test/peers.ts'
import { PermanentError, TransientError } from '../domain/handler-errors.ts'
import type { FaultPoint } from '../fault-points.ts'
import type { NetworkOptions } from '../nodes/node-options.ts'
import { ProducerNode } from '../nodes/producer-node.ts'
import { StoreError } from '../store/node-store.ts'
import { HandlerType } from './handler.ts'
import type { HandlerFunction } from './handler.ts'

const nodes: ProducerNode[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop({ graceMs: 100 })))
})

const RID = NoteRID.of('a')

/** A node whose one handler does what it is told; when it was called, and for which attempt. */
async function nodeWith(handle: HandlerFunction, network: NetworkOptions = {}, faults?: (point: FaultPoint) => void) {
  const calls: { readonly attempt: number; readonly at: number }[] = []
  const node = new ProducerNode({
    name: 'producer',
    baseUrl: 'http://127.0.0.1:9/koi-net',
    listen: false,
    domains: [new Notes()],
    network,
    faults,
  })
  nodes.push(node)
  node.processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, (processor, kobj) => {
    calls.push({ attempt: processor.attempt, at: Date.now() })
    return handle(processor, kobj)
  })
  await node.start()
  await node.publish({ rid: RID, contents: {} })
  const deadLetter = async () => {
    await until(async () => (await node.store.inboxState()).deadLetters === 1)
    return (await node.store.listDeadLetters())[0]
  }
  return { node, calls, deadLetter, attempts: () => calls.map(({ attempt }) => attempt) }
}

const fail = (error: Error): HandlerFunction => {
  return () => {
    throw error
  }
}

describe('knowledge that a handler fails on', () => {
  it.each([1, 4])('for now is tried network.max_retries times (%i), and is a dead letter then', async (maxRetries) => {
    const { attempts, deadLetter } = await nodeWith(fail(new TransientError('busy', { delayMs: 1 })), { maxRetries })
    const letter = await deadLetter()
    expect(attempts()).toEqual(Array.from({ length: maxRetries }, (_, before) => before + 1))
    expect(letter).toMatchObject({ arrival: { rid: RID, eventType: 'NEW' }, attempts: maxRetries, error: 'busy' })
    expect(letter?.history.map(({ error }) => error)).toEqual(Array(maxRetries).fill('busy'))
  })

  it.each([new PermanentError('broken'), new TypeError('broken')])('for good is tried once: %s', async (error) => {
    const { attempts, deadLetter } = await nodeWith(fail(error), { maxRetries: 4 })
    expect(await deadLetter()).toMatchObject({ attempts: 1, error: 'broken', history: [{ error: 'broken' }] })
    expect(attempts()).toEqual([1])
  })

  it('waits by network.backoff_factor', async () => {
    const network = { maxRetries: 4, backoffFactor: 10 }
    const { node, calls } = await nodeWith(fail(new TransientError('busy')), network)
    await until(() => calls.length === 2)
    await until(async () => ((await node.store.inboxState()).nextDueAt ?? 0) > Date.now())
    const { nextDueAt = 0 } = await node.store.inboxState()
    // At least four fifths of ten seconds; chance has the rest.
    expect(nextDueAt - (calls[1]?.at ?? 0)).toBeGreaterThanOrEqual(7_999)
  })

  it('loses no attempt to a store that cannot be used', async () => {
    let outages = 0
    const { node, attempts } = await nodeWith(
      () => undefined,
      { maxRetries: 1 },
      (point) => {
        if (point === 'before settle' && outages++ < 2) throw new StoreError('UNAVAILABLE', 'away')
      },
    )
    await until(async () => (await node.store.read(RID)) !== undefined)
    // The node's own profile may have met one of the two.
    expect(outages).toBeGreaterThanOrEqual(2)
    expect(new Set(attempts())).toEqual(new Set([1]))
    expect(await node.store.listDeadLetters()).toEqual([])
  })

  it('loses no attempt to a store that a handler finds away', async () => {
    let reads = 0
    const { node, attempts } = await nodeWith(
      () => {
        if (reads++ < 2) throw new StoreError('UNAVAILABLE', 'away')
      },
      { maxRetries: 1 },
    )
    await until(async () => (await node.store.read(RID)) !== undefined)
    expect(attempts()).toEqual([1, 1, 1])
    expect(await node.store.listDeadLetters()).toEqual([])
  })
})
