import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, Worker } from 'bullmq'
import type { Job } from 'bullmq'
import type { Redis } from 'ioredis'
import type { JobCounts, Logger, WorkKind, WorkTaker } from '@koi-mcp/core'

export interface BullJobsOptions {
  readonly kind: WorkKind
  readonly prefix: string
  /** On which nothing waits for a server that is away. */
  readonly adding: Redis
  /** On which everything does. */
  readonly working: Redis
  readonly log: Logger
  readonly onAdded: () => void
  readonly onFailed: (error: unknown) => void
}

/** Work committed within this time, behind that which was told at once, is told as one. */
const GATHER_MS = 5
/** A process that does not renew its job for so long, and so is dead or asleep, loses it to another at the next look of that one. */
const LOCK_MS = 5_000
/** A wake-up that waits for so long no longer stands for those behind it. */
const STANDS_MS = 30_000
const CLOSE_MS = 2_000

/**
 * The wake-ups of one kind. However much is committed, one job waits on Redis at most, beside those that processes have taken: a job means that some
 * process is to look, and as it finds everything that is due, no second one is needed until it has begun to look.
 */
export class BullJobs {
  readonly #options: BullJobsOptions
  readonly #queue: Queue<null, void>
  #worker: Worker<null, void> | undefined
  #taker: WorkTaker | undefined
  #wanted = false
  #telling: Promise<void> | undefined

  constructor(options: BullJobsOptions) {
    const { kind, prefix, adding, log } = options
    this.#options = options
    this.#queue = new Queue(kind, {
      connection: adding,
      prefix,
      skipVersionCheck: true,
      // Nobody reads them.
      streams: { events: { maxLen: 100 } },
    })
    this.#queue.on('error', (error) => log.debug('BullMQ stumbled', { kind, error }))
  }

  /** Some process is to look; without waiting for it. */
  wake(): void {
    this.#wanted = true
    this.#telling ??= this.#tell().finally(() => (this.#telling = undefined))
  }

  /** This process looks by itself. */
  look(): void {
    this.#taker?.look()
  }

  work(taker: WorkTaker): () => void {
    const { kind, prefix, working, log } = this.#options
    const worker = new Worker<null, void>(kind, (job) => this.#work(job, taker), {
      connection: working,
      prefix,
      skipVersionCheck: true,
      skipWaitingForReady: true,
      concurrency: 1,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      // What was given to a process in the moment of its end is found within so many seconds.
      drainDelay: 1,
      runRetryDelay: 1_000,
    })
    worker.on('error', (error) => log.debug('BullMQ stumbled', { kind, error }))
    worker.on('stalled', () => log.info('another process of this node left a wake-up undone', { kind }))
    this.#worker = worker
    this.#taker = taker
    return () => {
      this.#taker = undefined
      void worker.close(working.status !== 'ready')
    }
  }

  async counts(): Promise<JobCounts> {
    const {
      wait = 0,
      active = 0,
      delayed = 0,
      failed = 0,
    } = await this.#queue.getJobCounts('wait', 'active', 'delayed', 'failed')
    return { waiting: wait, active, delayed, failed }
  }

  /** Once the taker is gone. Says a last time that there may be work, if `farewell`. */
  async close(farewell: boolean): Promise<void> {
    const late = new AbortController()
    const closed = this.#worker?.close(this.#options.working.status !== 'ready')
    await Promise.race([closed, sleep(CLOSE_MS, undefined, { signal: late.signal }).catch(() => undefined)])
    late.abort()
    // Not before: a worker that closes may still be given it.
    if (farewell) this.wake()
    await this.#telling
    await this.#queue.close()
  }

  async #tell(): Promise<void> {
    const { kind, onAdded, onFailed } = this.#options
    while (this.#wanted) {
      this.#wanted = false
      try {
        await this.#queue.add(kind, null, {
          deduplication: { id: kind, ttl: STANDS_MS },
          removeOnComplete: true,
          removeOnFail: true,
        })
        onAdded()
      } catch (error) {
        onFailed(error)
      }
      await sleep(GATHER_MS)
    }
  }

  async #work(job: Job<null, void>, taker: WorkTaker): Promise<void> {
    // From here on what is committed gets a job of its own, for this look may come too early for it.
    await job.removeDeduplicationKey()
    if (this.#taker !== taker) return this.wake()
    taker.look()
    // Whoever has no room takes no wake-up away from those who have.
    await taker.room()
  }
}
