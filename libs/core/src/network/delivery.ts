import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import { couldNotDeliver, delivered, deliveredLate } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import { PeerList } from '../security/peer-list.ts'
import { LeaseLostError, NETWORK_LANE } from '../store/node-store.ts'
import type { DeliveryBatch, DueTarget, NodeStore } from '../store/node-store.ts'
import type { TraceBook } from '../tracing/trace-book.ts'
import { storeQueue } from '../store/work-queue.ts'
import type { WorkQueue, WorkTaker } from '../store/work-queue.ts'
import type { AddressBook } from './address-book.ts'
import { backoffMs, DEFAULT_BACKOFF, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import { Backlogs } from './backlogs.ts'
import { DeliveryAttempt } from './delivery-attempt.ts'
import type { Delivered } from './delivery-attempt.ts'
import type { PeerClient } from './peer-client.ts'
import { Wake } from './wake.ts'

type DeliveryStore = Pick<
  NodeStore,
  | 'dueTargets'
  | 'nextDeliveryAt'
  | 'takeDeliveries'
  | 'renewDeliveries'
  | 'deliveriesDone'
  | 'deliveriesFailed'
  | 'deliveriesLate'
  | 'dropDeliveries'
  | 'lapseDeliveries'
  | 'outboxState'
  | 'laneBusy'
  | 'onWake'
>

export interface DeliveryOptions {
  readonly store: DeliveryStore
  /** Default: the store's own wake-ups. */
  readonly queue?: WorkQueue | undefined
  readonly client: Pick<PeerClient, 'broadcastEvents'>
  readonly graph: Pick<NodeGraph, 'profile'>
  readonly addressOf: AddressBook
  /** What is queued for others, or about other types than a node is listed for, does not leave; default: everything does. */
  readonly peers?: PeerList | undefined
  /** Text of a NEW event with our own profile, put in front when a peer says that it does not know us. */
  readonly ownProfileEvent: () => Promise<string>
  readonly log: Logger
  readonly traces?: Pick<TraceBook, 'sending'> | undefined
  readonly observer?: NodeObserver | undefined
  readonly clock: Clock
  readonly backoff?: BackoffOptions
  /** How long a wake-up waits for its companions, so that events of one moment travel in one envelope; default 25 ms. */
  readonly lingerMs?: number
  /** How long a first delivery waits for the handshake it belongs to; default 1 s. */
  readonly handshakeWaitMs?: number
  /** Targets delivered to at the same time; default 32. */
  readonly concurrency?: number
  /** What a process that ends in the middle holds, another sends so much later; renewed as long as a call takes. Default: 15 s. */
  readonly leaseMs?: number | undefined
  /** How long events wait for a node that does not take them (`network.delivery_retention`); default 7 days. */
  readonly retentionMs?: number | undefined
  /** How long events are kept for a node that we do not know; default 7 days. */
  readonly unknownTargetMs?: number
  /** For how many such nodes; default 10,000. */
  readonly maxUnknownTargets?: number | undefined
}

const LEASE_MS = 15_000
const TARGETS_AT_ONCE = 32
const MAX_EVENTS = 100
const MAX_BYTES = 4 * 1024 * 1024
/** Wake-ups may be lost; this is how late a lost one is noticed, in milliseconds. */
const SWEEP_MS = 1_000
/** Targets looked at in one go. */
const PAGE = 1_000

/**
 * Sends what is queued to full nodes by webhook; what is queued for partial ones waits for their polls. Different targets at the same time, one
 * envelope at a time for each. What fails is tried again with growing pauses, for as long as the node is known.
 */
export class DeliveryWorker implements WorkTaker {
  readonly #options: DeliveryOptions
  readonly #queue: WorkQueue
  readonly #backoff: BackoffOptions
  readonly #backlogs: Backlogs
  readonly #owner = `delivery-${crypto.randomUUID()}`
  readonly #inFlight = new Map<Rid, Promise<void>>()
  /** Those of them that failed before: a quarter at most, for they may hang again until they time out. */
  readonly #retried = new Set<Rid>()
  /** The profile each target had when we last delivered to it: another one means a new handshake. */
  readonly #met = new Map<Rid, unknown>()
  readonly #reportedUnknown = new Set<Rid>()
  readonly #wake = new Wake()
  readonly #stopping = new AbortController()
  #running: Promise<void> | undefined
  #unsubscribe: (() => void) | undefined

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#queue = options.queue ?? storeQueue(options.store)
    this.#backlogs = new Backlogs(options)
    this.#backoff = options.backoff ?? DEFAULT_BACKOFF
  }

  /** Begins to deliver; until `stop` is called or the signal aborts. */
  start(signal?: AbortSignal): void {
    if (this.#running !== undefined) return
    const stop = this.#stopping.signal
    const either = signal === undefined ? stop : AbortSignal.any([stop, signal])
    this.#unsubscribe = this.#queue.onWork('deliveries', this)
    this.#running = this.#loop(either)
  }

  /** Takes nothing new and waits for what is on its way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#unsubscribe?.()
    await this.#running
    await Promise.all(this.#inFlight.values())
  }

  look(): void {
    this.#wake.now()
  }

  async room(): Promise<void> {
    const { concurrency = TARGETS_AT_ONCE } = this.#options
    while (!this.#stopping.signal.aborted && this.#inFlight.size >= concurrency) {
      await Promise.race(this.#inFlight.values())
    }
  }

  /** Resolves when nothing that is due can be delivered and nothing is on its way. Waiting retries do not count. */
  async idle(): Promise<void> {
    while (this.#running !== undefined && !this.#stopping.signal.aborted) {
      await Promise.all(this.#inFlight.values())
      const { done } = await this.#deliverable().next()
      if (done && this.#inFlight.size === 0) return
      this.#wake.now()
      await sleep(5, this.#stopping.signal)
    }
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { log, clock, store, lingerMs = 25 } = this.#options
    let nextSweep = 0
    while (!signal.aborted) {
      try {
        if (clock() >= nextSweep) {
          for (const target of await this.#backlogs.sweep()) this.#reportedUnknown.delete(target)
          nextSweep = clock() + this.#backlogs.everyMs
        }
        await this.#startDue(signal)
        const next = await store.nextDeliveryAt()
        // A moment already past belongs to a target that is left for its polls, or on its way; it is no reason to spin.
        const wait = next === undefined || next <= clock() ? SWEEP_MS : Math.min(SWEEP_MS, next - clock())
        if (await this.#wake.wait(wait, signal)) await sleep(lingerMs, signal)
      } catch (error) {
        log.error('delivery is held up by the store', { error })
        await sleep(SWEEP_MS, signal)
      }
    }
  }

  async #startDue(signal: AbortSignal): Promise<void> {
    const { concurrency = TARGETS_AT_ONCE } = this.#options
    for await (const { target, failures } of this.#deliverable()) {
      if (this.#inFlight.size >= concurrency) return this.#queue.handOn('deliveries')
      if (signal.aborted) return
      if (failures > 0) {
        if (this.#retried.size >= concurrency / 4) continue
        this.#retried.add(target)
      }
      const flight = this.#deliverAll(target, signal).finally(() => {
        this.#inFlight.delete(target)
        this.#retried.delete(target)
        this.#wake.now()
      })
      this.#inFlight.set(target, flight)
    }
  }

  /** Due targets that we can call and are not calling, behind any number of those that we cannot. */
  async *#deliverable(): AsyncGenerator<DueTarget, void> {
    let page: readonly DueTarget[]
    let last: DueTarget | undefined
    do {
      page = await this.#options.store.dueTargets(PAGE, last)
      for (const due of page) if (!this.#inFlight.has(due.target) && this.#isReachable(due.target)) yield due
      last = page.at(-1)
    } while (page.length === PAGE)
  }

  #isReachable(target: Rid): boolean {
    const { addressOf, graph, log } = this.#options
    if (addressOf(target) !== undefined) {
      this.#reportedUnknown.delete(target)
      return true
    }
    if (graph.profile(target) === undefined && !this.#reportedUnknown.has(target)) {
      this.#reportedUnknown.add(target)
      log.warn('events wait for a node that is not known here', { peer: target })
    }
    return false
  }

  async #deliverAll(target: Rid, signal: AbortSignal): Promise<void> {
    const { store, client, ownProfileEvent, log, peers = PeerList.open, leaseMs = LEASE_MS } = this.#options
    const attempt = new DeliveryAttempt({ client, ownProfileEvent, log })
    let ignoreDue = false
    try {
      await this.#waitForHandshake(target, signal)
      while (!signal.aborted) {
        const limit = Math.min(attempt.limit ?? MAX_EVENTS, MAX_EVENTS)
        const lease = { owner: this.#owner, leaseMs, limit, maxBytes: MAX_BYTES, ignoreDue }
        const asked = performance.now()
        const taken = await store.takeDeliveries(target, lease)
        if (taken === undefined) return
        // Whoever stood still this long has lost it to another.
        if (performance.now() - asked >= leaseMs) continue
        const batch = peers.within(taken)
        const outcome =
          batch.eventTexts.length === 0
            ? DELIVERED
            : await this.#holding(batch, () => this.#sending(batch, () => attempt.send(batch)))
        if (!(await this.#settle(batch, outcome, signal))) return
        // What stands behind a batch is due with it; one that is to be halved was put back as failed just now.
        ignoreDue = true
      }
    } catch (error) {
      log.error('delivery failed', { peer: target, error })
      // The store did not take the outcome; the lease runs out and the batch goes out again.
      await sleep(SWEEP_MS, signal)
    }
  }

  #sending<T>(batch: DeliveryBatch, work: () => Promise<T>): Promise<T> {
    const { traces } = this.#options
    return traces === undefined ? work() : traces.sending(batch, work)
  }

  /** Keeps the batch ours meanwhile. */
  async #holding<T>(batch: DeliveryBatch, work: () => Promise<T>): Promise<T> {
    const { store, leaseMs = LEASE_MS } = this.#options
    const renewal = setInterval(() => {
      store.renewDeliveries(batch, leaseMs).catch(() => undefined) // Its outcome finds out.
    }, leaseMs / 3)
    renewal.unref()
    try {
      return await work()
    } finally {
      clearInterval(renewal)
    }
  }

  /** True when the next batch may follow at once. */
  async #settle(batch: DeliveryBatch, outcome: Delivered, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#tellOutcome(batch, outcome)
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error
      await this.#putRight(batch, signal)
      return false
    }
  }

  /** The process stood still with the batch, and another went on in its place: what arrived late may be old by then. */
  async #putRight(batch: DeliveryBatch, signal: AbortSignal): Promise<void> {
    const { store } = this.#options
    deliveredLate(this.#options, batch.target, batch.eventTexts.length)
    for (;;) {
      try {
        return await store.deliveriesLate(batch)
      } catch (error) {
        if (signal.aborted) throw error
        await sleep(SWEEP_MS, signal)
      }
    }
  }

  async #tellOutcome(batch: DeliveryBatch, outcome: Delivered): Promise<boolean> {
    const { store, observer, clock } = this.#options
    const count = batch.eventTexts.length
    switch (outcome.kind) {
      case 'delivered':
        await store.deliveriesDone(batch)
        this.#met.set(batch.target, this.#options.graph.profile(batch.target))
        delivered(this.#options, batch.target, count)
        return true
      case 'smaller':
        await store.deliveriesFailed(batch, { error: outcome.error, dueAt: clock() })
        observer?.delivery('halved', count)
        return true
      case 'failed': {
        const { error } = outcome
        const { failures } = batch
        const waitMs = backoffMs(failures + 1, this.#backoff)
        await store.deliveriesFailed(batch, { error, dueAt: clock() + waitMs })
        couldNotDeliver(this.#options, batch.target, { count, failures, error, waitMs })
        return false
      }
    }
  }

  /**
   * A node that is new here is told our profile and our edge proposal, and knows neither us nor our key until it has them: they must travel in one
   * envelope (wire document, Handshake 2). They come out of one lane, so as long as that is busy more may come.
   */
  async #waitForHandshake(target: Rid, signal: AbortSignal): Promise<void> {
    const { store, graph, handshakeWaitMs = 1_000 } = this.#options
    const profile = graph.profile(target)
    if (this.#met.has(target) && this.#met.get(target) === profile) return
    const until = performance.now() + handshakeWaitMs
    while (performance.now() < until && !signal.aborted && (await store.laneBusy(NETWORK_LANE))) await sleep(10, signal)
  }
}

const DELIVERED: Delivered = { kind: 'delivered' }
