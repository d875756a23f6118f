import { TransientError } from '../domain/handler-errors.ts'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import { backoffMs, HANDLER_BACKOFF } from '../network/backoff.ts'
import type { LaneLease, NodeStore, PendingArrival, TakenLane } from '../store/node-store.ts'
import { LeaseLostError } from '../store/node-store.ts'
import { storeQueue } from '../store/work-queue.ts'
import type { WorkQueue, WorkTaker } from '../store/work-queue.ts'
import type { Pipeline } from './pipeline.ts'
import { NotNowError } from './source-fetch.ts'

export interface InboxWorkerOptions {
  readonly store: NodeStore
  /** Default: the store's own wake-ups. */
  readonly queue?: WorkQueue | undefined
  readonly pipeline: Pick<Pipeline, 'run'>
  readonly owner: string
  readonly log: Logger
  readonly clock: Clock
  /** Lanes worked off side by side. */
  readonly concurrency: number
  readonly maxAttempts: number
  readonly backoffFactor: number
}

const LEASE_MS = 30_000
/** The sweep: work is found at latest after this long, should a wake-up be lost. */
const SWEEP_MS = 5_000
const OUTAGE_PAUSE_MS = 1_000

/** Takes lanes that have work and runs their arrivals through the pipeline, in order within a lane. */
export class InboxWorker implements WorkTaker {
  readonly #options: InboxWorkerOptions
  readonly #queue: WorkQueue
  readonly #running = new Set<Promise<void>>()
  #lanes = 0
  #stopped = false
  #scanning: Promise<void> | undefined
  #again = false
  #timer: NodeJS.Timeout | undefined
  /** The store could not take what a lane wrote: until this moment (of `performance.now`) no lane is taken. */
  #pausedUntil = 0
  #unsubscribe: (() => void) | undefined
  #waitingForRoom: (() => void)[] = []

  constructor(options: InboxWorkerOptions) {
    this.#options = options
    this.#queue = options.queue ?? storeQueue(options.store)
  }

  start(): void {
    this.#unsubscribe = this.#queue.onWork('lanes', this)
    this.look()
  }

  /** Ends after the arrivals being worked on; what is behind them stays in the inbox. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#tellRoom()
    clearTimeout(this.#timer)
    await Promise.all(this.#running)
  }

  async room(): Promise<void> {
    await this.#scanning
    while (!this.#stopped && this.#lanes >= this.#options.concurrency) {
      await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve))
    }
  }

  #tellRoom(): void {
    for (const resolve of this.#waitingForRoom.splice(0)) resolve()
  }

  look(): void {
    if (this.#stopped) return
    if (this.#scanning !== undefined) {
      this.#again = true
      return
    }
    const scan = this.#scan().finally(() => {
      this.#scanning = undefined
      this.#running.delete(scan)
      if (this.#again) {
        this.#again = false
        this.look()
      }
    })
    this.#scanning = scan
    this.#running.add(scan)
  }

  async #scan(): Promise<void> {
    const { store, log, concurrency, clock } = this.#options
    clearTimeout(this.#timer)
    let pause = this.#pausedUntil - performance.now()
    if (pause > 0) return this.#scanIn(pause)
    pause = SWEEP_MS
    const since = clock()
    try {
      const free = concurrency - this.#lanes
      // A lane that ends wakes us: as long as all are busy there is nothing to look for here, but maybe elsewhere.
      const taken = free > 0 ? await this.#take(free) : 0
      if (taken === free) this.#queue.handOn('lanes')
      else {
        const { nextDueAt } = await store.inboxState()
        // What was due when the scan began is being worked on, and wakes us when it ends; what became due meanwhile was passed over.
        if (nextDueAt !== undefined && nextDueAt > since) pause = Math.max(0, Math.min(SWEEP_MS, nextDueAt - clock()))
      }
    } catch (error) {
      log.error(`the store does not answer, the inbox waits: ${String(error)}`)
      pause = OUTAGE_PAUSE_MS
    }
    this.#scanIn(pause)
  }

  #scanIn(ms: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.look(), ms)
    this.#timer.unref()
  }

  /** Takes up to so many lanes and begins to work them off; answers how many there were. */
  async #take(wanted: number): Promise<number> {
    const { store, owner } = this.#options
    const taken = await store.takeLanes(owner, LEASE_MS, wanted)
    for (const lane of taken) this.#work(lane)
    return taken.length
  }

  #work({ lease, first }: TakenLane): void {
    this.#lanes += 1
    const lane = this.#lane(lease, first)
      .catch((error: unknown) => this.#stumbled(lease, error))
      .finally(() => {
        this.#lanes -= 1
        this.#running.delete(lane)
        this.look()
        this.#tellRoom()
      })
    this.#running.add(lane)
  }

  #stumbled({ lane }: LaneLease, error: unknown): void {
    if (error instanceof LeaseLostError) return
    // Taking a lane writes nothing to a full disk, so it would go on working: handlers would run in vain, over and over.
    this.#pausedUntil = performance.now() + OUTAGE_PAUSE_MS
    this.#options.log.error(`a lane stopped: ${String(error)}`, { lane })
  }

  async #lane(lease: LaneLease, first: PendingArrival): Promise<void> {
    const { store } = this.#options
    const renewal = setInterval(() => {
      store.renewLane(lease, LEASE_MS).catch(() => undefined) // The next write under the lease finds out.
    }, LEASE_MS / 3)
    renewal.unref()
    let held = true
    try {
      for (let arrival: PendingArrival | undefined = first; arrival !== undefined && !this.#stopped;) {
        const outcome = await this.#run(lease, arrival)
        held = outcome !== 'given back'
        if (outcome !== 'next') break
        arrival = await store.nextArrival(lease)
      }
    } catch (error) {
      // Before the lane is given back, which wakes whoever looks for one.
      this.#stumbled(lease, error)
    } finally {
      clearInterval(renewal)
      if (held) await store.releaseLane(lease)
    }
  }

  /** Runs one arrival; answers what becomes of the lane. */
  async #run(lease: LaneLease, arrival: PendingArrival): Promise<'next' | 'waits' | 'given back'> {
    const { store, pipeline, log, clock, maxAttempts, backoffFactor } = this.#options
    try {
      return (await pipeline.run(lease, arrival)) ? 'next' : 'given back'
    } catch (error) {
      if (this.#stopped) return 'waits' // Cut off, maybe: the next start runs it again.
      if (error instanceof NotNowError) {
        const failure = { error: error.message, dueAt: Math.ceil(clock() + error.delayMs), countAttempt: false }
        await store.retryLater(lease, arrival.place, failure)
        return 'waits'
      }
      if (!(error instanceof TransientError)) throw error
      const attempt = arrival.attempts + 1
      const dueAt = Math.ceil(
        clock() + (error.delayMs ?? backoffMs(attempt, { ...HANDLER_BACKOFF, factor: backoffFactor })),
      )
      const fields = { rid: arrival.rid, peer: arrival.source }
      log.warn(`will be tried again (attempt ${attempt} of ${maxAttempts}): ${error.message}`, fields)
      await store.retryLater(lease, arrival.place, { error: error.message, dueAt, countAttempt: true })
      return 'waits'
    }
  }
}
