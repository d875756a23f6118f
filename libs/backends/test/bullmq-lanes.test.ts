import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { InboxWorker, NO_EMISSIONS, silentLogger } from '@koi-mcp/core'
import type { NodeStore, PendingArrival } from '@koi-mcp/core'
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { RedisServer } from '@koi-mcp/testing'
import { openBullQueue } from '../src/bullmq/bull-queue.ts'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { until } from './queue-user.ts'
import { asked, program } from './test-namespaces.ts'
import { testSchemas, url as postgresUrl } from './test-schemas.ts'

const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)
const LANES = 40

describe.skipIf(program === '')('replicas that BullMQ wakes', () => {
  const schemas = testSchemas()
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start(program)
  })
  afterAll(() => server?.remove())
  const ends: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  /** Two processes of a node, each with room for four lanes, and what they do; work arrives at one of them. */
  const two = async (openStore: (namespace: string) => Promise<NodeStore>) => {
    const namespace = schemas()
    const done: { readonly by: number; readonly lane: string; readonly place: number }[] = []
    const accepted: number[] = []
    const start = async (by: number) => {
      const store = await openStore(namespace)
      const queue = openBullQueue({ url: server.url, namespace, store })
      const run = async (lease: Parameters<NodeStore['finish']>[0], { lane, place }: PendingArrival) => {
        await sleep(Math.random() * 4)
        await store.finish(lease, place, NO_EMISSIONS)
        done.push({ by, lane, place })
        return true
      }
      const worker = new InboxWorker({
        store,
        queue,
        pipeline: { run },
        owner: `inbox-${by}`,
        log: silentLogger,
        clock: Date.now,
        concurrency: 4,
        maxAttempts: 3,
        backoffFactor: 1.5,
      })
      worker.start()
      ends.push(async () => {
        await worker.stop()
        await store.close()
        await queue.close()
      })
      return { store, queue }
    }
    const [one, other] = await Promise.all([start(1), start(2)])
    const feed = async () => {
      const arrivals = Array.from({ length: LANES }, (_, lane) => {
        const rid = asRid(`orn:data-catalog.dataset:${lane}`)
        const bundle = generateBundle(rid, contentsOf({ lane }), '2026-01-01T00:00:00Z')
        return { rid, eventType: 'NEW' as const, source: PEER, ...bundle }
      })
      accepted.push(...(await one.store.accept(arrivals)).places)
    }
    /** When all is done: each arrival once, those of a lane in their order, and by either process. */
    const check = async () => {
      await until(() => done.length >= accepted.length)
      expect(done.map(({ place }) => place).sort((a, b) => a - b)).toEqual(accepted)
      for (let lane = 0; lane < LANES; lane++) {
        const places = done.filter((step) => step.lane === `orn:data-catalog.dataset:${lane}`).map(({ place }) => place)
        expect(places).toEqual([...places].sort((a, b) => a - b))
      }
      expect((await one.store.inboxState()).pending).toBe(0)
    }
    await until(() => one.queue.state === 'up' && other.queue.state === 'up')
    return { feed, check, queues: [one.queue, other.queue], doneBy: () => new Set(done.map(({ by }) => by)).size }
  }

  const onPostgres = (schema: string) => openPostgresStore({ url: postgresUrl, schema })

  it.skipIf(postgresUrl === '')('share what arrives at one of them, each lane in order', async () => {
    const { feed, check, doneBy } = await two(onPostgres)
    for (let time = 0; time < 10 || doneBy() < 2; time++) await feed()
    await check()
  })

  it('do so where the store is on the same Redis', async () => {
    const { feed, check, doneBy } = await two((namespace) => openRedisStore({ url: server.url, namespace }))
    for (let time = 0; time < 10 || doneBy() < 2; time++) await feed()
    await check()
  })

  it.skipIf(postgresUrl === '')('lose nothing when Redis is flushed, and when it is gone', async () => {
    const { feed, check, queues } = await two(onPostgres)
    for (let time = 0; time < 10; time++) {
      await feed()
      await asked((redis) => redis.flushall(), server.url)
    }
    await check()
    await feed()
    await server.signal('KILL')
    for (const queue of queues) await until(() => queue.state === 'away')
    await feed()
    await check()
    await feed()
    await server.startAgain()
    await feed()
    await check()
    for (const queue of queues) await until(() => queue.state === 'up')
    await feed()
    await check()
  })
})
