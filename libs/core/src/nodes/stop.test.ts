import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { NoteRID, Notes } from '../../test/notes.ts'
import { testServer, until } from '../../test/peers.ts'
import { HandlerType } from '../pipeline/handler.ts'
import type { HandlerFunction } from '../pipeline/handler.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import { ProducerNode } from './producer-node.ts'
import type { NodeOptions } from './node-options.ts'

const ANY_PORT = 'http://127.0.0.1:0/koi-net'
const GRACE_MS = 50

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function options(more: Partial<NodeOptions> = {}) {
  const state = await mkdtemp(join(tmpdir(), 'koi-stop-'))
  ends.push(() => rm(state, { recursive: true }))
  return { name: 'node', baseUrl: ANY_PORT, domains: [new Notes()], state, ...more }
}

const started = async <N extends ProducerNode | ConsumerNode>(node: N): Promise<N> => {
  ends.push(() => node.stop({ graceMs: GRACE_MS }))
  await node.start()
  return node
}

/** A producer whose handler is in the middle of a note. */
async function busyWith(handler: HandlerFunction) {
  const at = await options()
  const node = new ProducerNode(at)
  let running = false
  node.processor.registerHandler(HandlerType.Network, { ridTypes: [NoteRID] }, (...args) => {
    running = true
    return handler(...args)
  })
  await started(node)
  const { rid } = await node.publish({ rid: NoteRID.of('a'), contents: {} })
  await until(() => running)
  return { node, rid, at }
}

/** The same node without the handler; what it makes of the note. */
async function nextStart(at: NodeOptions) {
  const attempts: number[] = []
  const node = new ProducerNode(at)
  node.processor.registerHandler(
    HandlerType.Network,
    { ridTypes: [NoteRID] },
    ({ attempt }) => void attempts.push(attempt),
  )
  await started(node)
  await node.idle()
  return { attempts, state: await node.store.inboxState() }
}

describe('a node that stops', () => {
  it('cuts off a call that is not answered, and makes it again at the next start', async () => {
    const coordinator = new CoordinatorNode({ ...(await options({ name: 'coordinator' })), baseUrl: ANY_PORT })
    await started(coordinator)
    const firstContact = coordinator.baseUrl
    let hangs = false
    const behind: { node?: ConsumerNode } = {}
    const server = await testServer(async ({ path, body }) => {
      if (hangs) return { status: 200, body: '', hangs }
      return (await behind.node?.handleRequest(path.replace('/koi-net', ''), body)) ?? { status: 503, body: '' }
    })
    ends.push(() => server.close())
    const baseUrl = `${server.origin}/koi-net`
    const consumer = await started(
      new ConsumerNode(await options({ name: 'consumer', baseUrl, listen: false, firstContact })),
    )
    behind.node = consumer
    // A call that is not cut off outlasts the test.
    const at = await options({ firstContact, network: { requestTimeoutMs: 600_000 } })
    const node = await started(new ProducerNode(at))
    const { rid } = node.identity
    await until(() => consumer.graph.edge(rid, consumer.identity.rid)?.profile.status === 'APPROVED')
    await node.idle()
    hangs = true
    const asked = server.requests.length
    const note = await node.publish({ rid: NoteRID.of('a'), contents: {} })
    await until(() => server.requests.length > asked)
    await node.stop({ graceMs: GRACE_MS })
    hangs = false
    await started(new ProducerNode(at))
    await until(async () => (await consumer.store.read(note.rid)) !== undefined)
  })

  it('counts no attempt of a handler that it cut off', async () => {
    const { node, at } = await busyWith(async ({ signal }) => {
      while (!signal.aborted) await nextTurn()
      signal.throwIfAborted()
    })
    await node.stop({ graceMs: GRACE_MS })
    expect(await nextStart(at)).toEqual({
      attempts: [1],
      state: { pending: 0, deadLetters: 0, nextDueAt: undefined },
    })
  })

  it('leaves a handler behind that listens to nobody', async () => {
    let end = (): void => undefined
    const { node, at } = await busyWith(() => new Promise<void>((resolve) => (end = resolve)))
    await node.stop({ graceMs: GRACE_MS })
    expect(await nextStart(at)).toMatchObject({ attempts: [1], state: { pending: 0, deadLetters: 0 } })
    end()
    await nextTurn()
  })

  it('waits for a handler that ends in time', async () => {
    let ended = false
    const { node } = await busyWith(async () => {
      for (let turn = 0; turn < 20; turn++) await nextTurn()
      ended = true
    })
    await node.stop()
    expect(ended).toBe(true)
  })
})
