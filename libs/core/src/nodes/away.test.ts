import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Rid } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { until } from '../../test/peers.ts'
import { ConsumerNode } from './consumer-node.ts'
import { CoordinatorNode } from './coordinator-node.ts'
import type { KoiNode } from './koi-node.ts'
import { ProducerNode } from './producer-node.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
})

async function up<N extends KoiNode>(node: N): Promise<N> {
  stops.push(() => node.stop())
  await node.start()
  return node
}

const textOf = async (node: KoiNode, rid: Rid) => (await node.store.read(rid))?.bundle.contents.text

describe('a subscriber that is away for longer than its events are kept', () => {
  it.each([
    ['is called', 'http://127.0.0.1:0/koi-net'],
    ['polls', undefined],
  ])('and %s knows afterwards what there is, and what there is no more', async (_, baseUrl) => {
    const state = await mkdtemp(join(tmpdir(), 'koi-away-'))
    stops.push(() => rm(state, { recursive: true }))
    const domains = [new Notes()]
    const coordinator = await up(
      new CoordinatorNode({ name: 'coordinator', baseUrl: 'http://127.0.0.1:0/koi-net', domains }),
    )
    const { baseUrl: firstContact } = coordinator
    const producer = await up(
      new ProducerNode({
        name: 'producer',
        baseUrl: 'http://127.0.0.1:0/koi-net',
        domains,
        firstContact,
        network: { deliveryRetentionMs: 200 },
      }),
    )
    const options = { name: 'consumer', state, domains, firstContact, network: { pollIntervalMs: 10 } }
    const consumer = await up(new ConsumerNode({ ...options, baseUrl }))
    const { rid } = consumer.identity
    await until(() => consumer.graph.edge(producer.identity.rid, rid)?.profile.status === 'APPROVED')
    const [stays, goes, comes, last] = ['stays', 'goes', 'comes', 'last'].map((name) => NoteRID.of(name)) as [
      Rid,
      Rid,
      Rid,
      Rid,
    ]
    for (const note of [stays, goes]) await producer.publish({ rid: note, contents: { n: 1 } })
    await until(async () => (await textOf(consumer, goes)) !== undefined)

    const again = { ...options, baseUrl: consumer.baseUrl }
    await consumer.stop()
    await producer.publish({ rid: stays, contents: { n: 2 } })
    await producer.forget(goes)
    await producer.publish({ rid: comes, contents: { n: 1 } })
    const lapsed = async () => (await producer.store.lapsedTargets()).some(({ target }) => target === rid)
    await until(lapsed)
    await producer.publish({ rid: last, contents: { n: 1 } })
    await until(async () => (await producer.store.read(last)) !== undefined)
    expect((await producer.store.outboxState()).filter(({ target }) => target === rid)).toEqual([])

    const back = await up(new ConsumerNode(again))
    await until(async () => (await textOf(back, goes)) === undefined)
    for (const [note, n] of [
      [stays, 2],
      [comes, 1],
      [last, 1],
    ] as const)
      await until(async () => (await textOf(back, note)) === `{"n":${n}}`)
    await until(async () => !(await lapsed()))
  })
})
