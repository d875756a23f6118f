import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CoordinatorNode, ProducerNode } from '@koi-mcp/core'
import { RedisServer } from '@koi-mcp/testing'
import { openBullQueue } from '../src/bullmq/bull-queue.ts'
import { NoteRID, NotesExtension, Replicas } from './node-replicas.ts'
import { asked, program } from './test-namespaces.ts'
import { testSchemas, url } from './test-schemas.ts'

const LONG = { timeout: 60_000 }

describe.skipIf(url === '' || program === '')('one node of many processes that BullMQ wakes', () => {
  const schemas = testSchemas()
  let server: RedisServer
  let coordinator: CoordinatorNode
  let replicas: Replicas
  beforeAll(async () => {
    server = await RedisServer.start(program)
  })
  afterAll(() => server?.remove())
  beforeEach(async () => {
    const domains = [new NotesExtension()]
    coordinator = new CoordinatorNode({ name: 'coordinator', baseUrl: 'http://127.0.0.1:0/koi-net', domains })
    await coordinator.start()
    replicas = await Replicas.behind()
  })
  afterEach(async () => {
    await replicas.down()
    await coordinator.stop()
  })

  it('tells everything that it publishes, whatever becomes of Redis', async () => {
    const namespace = schemas()
    const replica = () =>
      replicas.node(ProducerNode, url, namespace, coordinator.baseUrl!, {
        openQueue: ({ store, log }) => openBullQueue({ url: server.url, namespace, store, log }),
        lanesAtOnce: 2,
      })
    const nodes = [await replicas.start(replica()), await replicas.start(replica())] as const
    const state = async (wanted: 'up' | 'away') => {
      for (const { queue } of nodes) await expect.poll(() => queue.state, LONG).toBe(wanted)
    }
    let count = 0
    let forgotten = 0
    /** Both publish, and one forgets of what the other published; in the end all know the same. */
    const publish = async () => {
      await Promise.all(
        Array.from({ length: 40 }, () => {
          const index = count++
          return nodes[index % 2]!.publish({ rid: NoteRID.of(`${index}`), contents: { index } })
        }),
      )
      for (; forgotten < count - 20; forgotten += 2) await nodes[0].forget(NoteRID.of(`${forgotten + 1}`))
    }
    const check = async () => {
      const kept = Array.from({ length: count }, (_, index) => index)
        .filter((index) => index % 2 === 0 || index >= forgotten)
        .map((index) => NoteRID.of(`${index}`))
        .sort()
      await expect.poll(() => coordinator.knowledge.listRids({ types: [NoteRID.name] }), LONG).toEqual(kept)
      for (const { notes } of nodes) await expect.poll(() => [...notes].sort(), LONG).toEqual(kept)
    }

    await state('up')
    await publish()
    await check()
    for (let time = 0; time < 5; time++) {
      await publish()
      await asked((redis) => redis.flushall(), server.url)
    }
    await check()
    await server.signal('KILL')
    await state('away')
    await publish()
    await check()
    await publish()
    await server.startAgain()
    await publish()
    await check()
    await state('up')
    const jobs = async () => Object.values((await nodes[0].queue.counts()) ?? {}).map(({ failed }) => failed)
    expect(await jobs()).toEqual([0, 0])
  })
})
