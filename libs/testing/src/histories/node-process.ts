import { InboxWorker, LeaseLostError, Pipeline, silentLogger, TransientError } from '@koi-mcp/core'
import type { AuthorityMode, NetworkGraph, NodeStore } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import type { FetchClient } from './served.ts'
import { handlersOf, SELF } from './world.ts'

export interface NodeProcessParts {
  readonly name: string
  /** As this process sees it. */
  readonly store: NodeStore
  readonly graph: NetworkGraph
  readonly authority: AuthorityMode
  readonly client: FetchClient
  /** Awaited in each phase of the handlers, and before and behind each post. */
  readonly pause: (point: string, failure: () => Error) => Promise<void>
  /** A subscriber receives events. */
  readonly receive: (target: Rid, eventTexts: readonly string[]) => void
  /** When a handler that fails is run again. */
  readonly retryMs: number
}

const DELIVERY_LEASE_MS = 60_000
const SWEEP_MS = 5_000
/** No arrival is given up for faults: they end. */
const MAX_ATTEMPTS = 1_000

/** What a process of a node does: it works off the inbox, and sends what is queued. */
export class NodeProcess {
  readonly #parts: NodeProcessParts
  readonly #worker: InboxWorker
  #delivering: Promise<void> | undefined
  #stopped = false
  #wake = (): void => undefined

  constructor(parts: NodeProcessParts) {
    this.#parts = parts
    const { name, store, graph, authority, client, pause, retryMs } = parts
    const transient = () => new TransientError('not now', { delayMs: retryMs })
    const pipeline = new Pipeline({
      handlers: handlersOf(authority, (phase) => pause(`handler ${phase}`, transient)),
      store,
      graph,
      identity: SELF,
      client,
      log: silentLogger,
      clock: Date.now,
      signal: new AbortController().signal,
      maxAttempts: MAX_ATTEMPTS,
    })
    this.#worker = new InboxWorker({
      store,
      pipeline,
      owner: name,
      log: silentLogger,
      clock: Date.now,
      concurrency: 2,
      maxAttempts: MAX_ATTEMPTS,
      backoffFactor: 1.5,
    })
  }

  start(): void {
    this.#worker.start()
    this.#delivering = this.#deliver()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#wake()
    await Promise.all([this.#worker.stop(), this.#delivering])
  }

  /** Sends what is queued, until the process is stopped. */
  async #deliver(): Promise<void> {
    const { store } = this.#parts
    store.onWake(({ outbox }) => {
      if (outbox) this.#wake()
    })
    while (!this.#stopped) {
      const woken = new Promise<void>((resolve) => (this.#wake = resolve))
      try {
        for (const { target } of await store.dueTargets(10)) await this.#deliverTo(target)
      } catch {
        // The store is away, or the lease is lost; the batch is due again when it has run out.
      }
      await Promise.race([woken, new Promise((resolve) => setTimeout(resolve, SWEEP_MS))])
    }
  }

  async #deliverTo(target: Rid): Promise<void> {
    const { name, store, pause, receive } = this.#parts
    const batch = await store.takeDeliveries(target, { owner: name, leaseMs: DELIVERY_LEASE_MS, limit: 3 })
    if (batch === undefined) return
    try {
      await pause('before post', unreachable)
      await store.renewDeliveries(batch, DELIVERY_LEASE_MS)
      receive(target, batch.eventTexts)
      await pause('after post', unreachable)
    } catch (error) {
      return store.deliveriesFailed(batch, { error: String(error), dueAt: Date.now() + 1_000 })
    }
    try {
      await store.deliveriesDone(batch)
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error
      await store.deliveriesLate(batch)
    }
  }
}

const unreachable = () => new Error('nobody answers')
