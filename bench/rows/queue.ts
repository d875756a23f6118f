import { Queue, Worker } from 'bullmq'
import { openBullQueue } from '@koi-mcp/backends/bullmq'
import type { NodeStore } from '@koi-mcp/core'
import { findRedis, RedisServer } from '@koi-mcp/testing'
import { inTurns, pick } from '../bench.ts'
import type { Row } from '../bench.ts'
import { spreadOf } from '../result.ts'
import type { RowResult } from '../result.ts'

type WakeListener = Parameters<NodeStore['onWake']>[0]

const NAMESPACE = 'koi_bench'
const TAKERS = [1, 2, 4]
/** Behind the last one, so that none is gathered with it. */
const QUIET_MS = 20
const NO_REFERENCE = { why: 'koi-net has no queue between processes' }

/** Asks for one wake-up, and resolves when a taker has it. */
interface Waker {
  wake(): Promise<void>
  close(): Promise<void>
}

/** From “there is work” until one of so many takers looks: through our queue, and through a BullMQ queue with nothing around it. */
export const queueRow: Row = async (bench) => {
  const program = findRedis(process.env['PATH'] ?? '')
  const wakes = bench.effort.events.reference
  const results: RowResult[] = []
  for (const takers of TAKERS) {
    const what = `a wake-up out of quiet, ${takers} to take it`
    const row = { row: 'queue', what, unit: 'ms', better: 'less', reference: NO_REFERENCE } as const
    if (program === undefined) {
      const why = { why: 'redis-server is not installed' }
      results.push({ ...row, ours: why, floor: why })
      continue
    }
    const redis = await RedisServer.start(program)
    const [ours, bare] = [await ourQueue(redis.url, takers), await bareQueue(redis.url, takers)]
    try {
      const taken = await inTurns<'ours' | 'floor', number>(bench.effort.rounds, {
        ours: () => msOf(ours, wakes),
        floor: () => msOf(bare, wakes),
      })
      const same = (value: number) => value
      results.push({ ...row, ours: pick(taken.ours, same), floor: pick(taken.floor, same) })
    } finally {
      await Promise.all([ours.close(), bare.close()])
      await redis.remove()
    }
  }
  return results
}

/** How long one takes, in milliseconds: in the middle of so many. */
async function msOf({ wake }: Waker, wakes: number): Promise<number> {
  const taken: number[] = []
  while (taken.length < wakes) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
    const start = performance.now()
    await wake()
    taken.push(performance.now() - start)
  }
  return spreadOf(taken)?.median ?? Number.NaN
}

async function ourQueue(url: string, takers: number): Promise<Waker> {
  const listeners: WakeListener[] = []
  const store = {
    onWake: (listener: WakeListener) => {
      listeners.push(listener)
      return () => undefined
    },
  }
  let taken: () => void = () => undefined
  const taker = { look: () => taken(), room: () => Promise.resolve() }
  const queues = Array.from({ length: takers }, () => openBullQueue({ url, namespace: NAMESPACE, store }))
  for (const queue of queues) queue.onWork('lanes', taker)
  while (queues.some(({ state }) => state === 'away')) await new Promise((resolve) => setTimeout(resolve, 10))
  return {
    wake: () =>
      new Promise((resolve) => {
        taken = resolve
        listeners[0]!({ changes: false, inbox: true, outbox: false })
      }),
    close: async () => {
      for (const queue of queues) await queue.close()
    },
  }
}

async function bareQueue(url: string, takers: number): Promise<Waker> {
  let taken: () => void = () => undefined
  const connection = { url, maxRetriesPerRequest: null }
  const queue = new Queue('bare', { connection, defaultJobOptions: { removeOnComplete: true } })
  const workers = Array.from(
    { length: takers },
    () =>
      new Worker(
        'bare',
        () => {
          taken()
          return Promise.resolve()
        },
        { connection },
      ),
  )
  await Promise.all([queue.waitUntilReady(), ...workers.map((worker) => worker.waitUntilReady())])
  return {
    wake: () =>
      new Promise((resolve, reject) => {
        taken = resolve
        queue.add('wake', {}).catch(reject)
      }),
    close: async () => {
      await Promise.all([queue.close(), ...workers.map((worker) => worker.close())])
    },
  }
}
