import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { Logger } from '../logger.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NodeStore, OutboxTargetState } from '../store/node-store.ts'
import type { AddressBook } from './address-book.ts'

export interface BacklogOptions {
  readonly store: Pick<NodeStore, 'outboxState' | 'dropDeliveries' | 'lapseDeliveries'>
  readonly graph: Pick<NodeGraph, 'profile'>
  readonly addressOf: AddressBook
  readonly peers?: PeerList | undefined
  readonly log: Logger
  readonly clock: Clock
  /** How long events wait for a node that is known and does not take them; then it lapses. Default 7 days. */
  readonly retentionMs?: number | undefined
  /** How long events are kept for a node that we do not know; default 7 days. */
  readonly unknownTargetMs?: number | undefined
  /** For how many such nodes; default 10,000. */
  readonly maxUnknownTargets?: number | undefined
}

/** So many events for one subscriber are said in the log, and again each time that they have doubled. */
const MANY = 10_000
const HOUR_MS = 3_600_000
const WEEK_MS = 7 * 24 * HOUR_MS

/** What waits for others: said when it grows old or large, and given up when it is too old. */
export class Backlogs {
  readonly #options: BacklogOptions
  /** Those whose backlog was said to be old. */
  readonly #old = new Set<Rid>()
  /** How many events were last said to wait for whom. */
  readonly #many = new Map<Rid, number>()

  constructor(options: BacklogOptions) {
    this.#options = options
  }

  /** How often to look, in milliseconds. */
  get everyMs(): number {
    return Math.min(60_000, (this.#options.retentionMs ?? WEEK_MS) / 10)
  }

  /** One look at all of them. Answers for whom nothing is kept any more because nobody knows them. */
  async sweep(): Promise<readonly Rid[]> {
    const { store, graph, addressOf, peers, log } = this.#options
    const [known, unknown]: [OutboxTargetState[], OutboxTargetState[]] = [[], []]
    for (const state of await store.outboxState()) {
      const { target, queued } = state
      if (peers?.has(target) === false) {
        await store.dropDeliveries(target)
        log.warn('dropped what was queued for a node that is not listed', { peer: target, count: queued })
      } else if (graph.profile(target) === undefined && addressOf(target) === undefined) unknown.push(state)
      else known.push(state)
    }
    await this.#giveUp(known)
    return this.#forget(unknown)
  }

  /** A subscriber is told the state of today when it is back: `Returns`. */
  async #giveUp(known: readonly OutboxTargetState[]): Promise<void> {
    const { store, addressOf, log, clock, retentionMs = WEEK_MS } = this.#options
    const warnMs = Math.min(HOUR_MS, retentionMs / 10)
    const now = clock()
    const waiting = new Set(known.map(({ target }) => target))
    for (const target of this.#old) if (!waiting.has(target)) this.#cleared(target)
    for (const target of this.#many.keys()) if (!waiting.has(target)) this.#many.delete(target)
    for (const { target, queued, oldestAt, failures, lastError } of known) {
      // This node may have been away itself: whom it can call it calls first.
      const isTried = failures > 0 || addressOf(target) === undefined
      const fields = { peer: target, count: queued, since: new Date(oldestAt).toISOString(), error: lastError }
      if (this.#grewLarge(target, queued))
        log.warn('many events wait for a subscriber, and there are ever more', fields)
      if (now - oldestAt >= retentionMs && isTried) {
        if ((await store.lapseDeliveries(target, now - retentionMs)) === undefined) continue
        this.#old.delete(target)
        log.warn('gave up what waited too long for a subscriber; when it is back it is told the state of then', fields)
      } else if (now - oldestAt >= warnMs) {
        if (!this.#old.has(target)) log.warn('events wait long for a subscriber that does not take them', fields)
        this.#old.add(target)
      } else if (this.#old.has(target)) this.#cleared(target)
    }
  }

  /** Whether it is to be said; not again for a backlog that comes and goes around the same size. */
  #grewLarge(target: Rid, queued: number): boolean {
    const said = this.#many.get(target)
    if (queued < MANY / 2) this.#many.delete(target)
    if (queued < (said === undefined ? MANY : 2 * said)) return false
    this.#many.set(target, queued)
    return true
  }

  #cleared(target: Rid): void {
    this.#old.delete(target)
    this.#options.log.info('nothing waits long for the subscriber any more', { peer: target })
  }

  /** Nodes that went may come back, and hear then that their edges are gone; but not all of an endless stream. */
  async #forget(unknown: OutboxTargetState[]): Promise<readonly Rid[]> {
    const { store, log, clock, unknownTargetMs = WEEK_MS, maxUnknownTargets = 10_000 } = this.#options
    const youngestFirst = unknown.sort((one, other) => other.oldestAt - one.oldestAt)
    const stale = youngestFirst.filter(
      ({ oldestAt }, index) => index >= maxUnknownTargets || clock() - oldestAt >= unknownTargetMs,
    )
    for (const { target } of stale) await store.dropDeliveries(target)
    const fields = { peer: stale[0]?.target, count: stale.length }
    if (stale.length > 0) log.warn('dropped what waited too long for unknown nodes, or for too many of them', fields)
    return stale.map(({ target }) => target)
  }
}
