import type { Rid } from '@koi-mcp/protocol'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { PeerList } from '../security/peer-list.ts'
import { StoreError } from '../store/node-store.ts'
import type { NewArrival, NodeStore } from '../store/node-store.ts'
import { backoffMs, DEFAULT_BACKOFF, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import { arrivalsOf } from './event-arrivals.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

export interface PollerOptions {
  readonly self: Rid
  readonly client: Pick<PeerClient, 'pollEvents'>
  readonly graph: Pick<NodeGraph, 'neighbors' | 'profile'>
  readonly store: Pick<NodeStore, 'accept'>
  /** Polled for as long as no neighbour is known. */
  readonly firstContact: () => Rid | undefined
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  readonly maxRidBytes?: number | undefined
  readonly peers?: PeerList | undefined
  /** From the start of one round to the start of the next, in milliseconds; default 5 s, as the reference. */
  readonly intervalMs?: number
  /** Between tries to keep what was polled while the store is away. */
  readonly backoff?: BackoffOptions
}

/** How a partial node, which nobody can call, hears of events: it asks its full neighbours for theirs. */
export class Poller {
  readonly #options: PollerOptions
  /** Nodes whose last poll failed, so that it is said once. */
  readonly #failing = new Set<Rid>()
  readonly #polls = new Map<Rid, Promise<void>>()

  constructor(options: PollerOptions) {
    this.#options = options
  }

  /** Polls until the signal aborts. Never rejects. A neighbour that takes its time keeps no other waiting. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, intervalMs = 5_000 } = this.#options
    while (!signal.aborted) {
      this.pollAll(signal).catch((error: unknown) => log.error('polled events could not be kept', { error }))
      await sleep(intervalMs, signal)
    }
    await Promise.allSettled(this.#polls.values())
  }

  /** Resolves when no poll is on its way. */
  async idle(): Promise<void> {
    await Promise.allSettled(this.#polls.values())
  }

  /** One round: all neighbours at the same time, but those that have not answered yet. @throws what the store throws */
  async pollAll(signal: AbortSignal): Promise<void> {
    const idle = this.#targets().filter((node) => !this.#polls.has(node))
    const polls = idle.map((node) => {
      const poll = this.#poll(node, signal).finally(() => this.#polls.delete(node))
      this.#polls.set(node, poll)
      return poll
    })
    await Promise.all(polls)
  }

  #targets(): readonly Rid[] {
    const { graph, firstContact, peers } = this.#options
    const full = graph
      .neighbors()
      .filter((node) => graph.profile(node)?.node_type === 'FULL' && peers?.has(node) !== false)
    if (full.length > 0) return full
    const contact = firstContact()
    return contact === undefined ? [] : [contact]
  }

  async #poll(node: Rid, signal: AbortSignal): Promise<void> {
    const { client, log, observer, self, maxRidBytes, peers } = this.#options
    try {
      const events = await client.pollEvents(node, 0)
      const arrivals = arrivalsOf(events, node, { self, maxRidBytes, peers, log, observer, way: 'poll' })
      this.#failing.delete(node)
      if (arrivals.length > 0) await this.#keep(node, arrivals, signal)
      if (events.length > 0) observer?.eventsTaken('poll', events.length, arrivals.length)
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      log[this.#failing.has(node) ? 'debug' : 'warn']('could not poll', { peer: node, error: error.message })
      this.#failing.add(node)
    }
  }

  /** The node has let go of them: they are held here until the store takes them, or this node stops. */
  async #keep(node: Rid, arrivals: readonly NewArrival[], signal: AbortSignal): Promise<void> {
    const { store, log, backoff = DEFAULT_BACKOFF } = this.#options
    for (let failures = 1; ; failures++) {
      try {
        await store.accept(arrivals)
        return
      } catch (error) {
        if (!(error instanceof StoreError) || signal.aborted) throw error
        if (failures === 1)
          log.error('polled events wait for the store', { peer: node, count: arrivals.length, error: error.message })
        await sleep(backoffMs(failures, backoff), signal)
      }
    }
  }
}
