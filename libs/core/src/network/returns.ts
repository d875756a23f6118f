import type { Rid } from '@koi-mcp/protocol'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import { PeerList } from '../security/peer-list.ts'
import type { LapsedTarget, NodeStore } from '../store/node-store.ts'
import { underLease } from '../store/under-lease.ts'
import type { AddressBook } from './address-book.ts'
import { broadcast } from './delivery-attempt.ts'
import type { BroadcastOptions } from './delivery-attempt.ts'
import { Wake } from './wake.ts'

export interface ReturnsOptions extends BroadcastOptions {
  readonly identity: Pick<NodeIdentity, 'rid' | 'profile'>
  readonly store: Pick<
    NodeStore,
    | 'lapsedTargets'
    | 'resumeDeliveries'
    | 'queueState'
    | 'dropDeliveries'
    | 'takeLease'
    | 'releaseLease'
    | 'changesAfter'
    | 'listRids'
  >
  readonly graph: Pick<NodeGraph, 'profile' | 'edge'>
  readonly addressOf: AddressBook
  readonly peers?: PeerList | undefined
  readonly log: Logger
  readonly clock: Clock
  /** As for the backlogs: a tenth of it is how often it is looked for lapsed targets, and at least every 10 s. */
  readonly retentionMs?: number | undefined
  /** How often each of them is called; default 60 s. */
  readonly probeMs?: number | undefined
}

const LEASE = 'returns'
const PROBES_AT_ONCE = 16
const PAGE = 500

/**
 * Subscribers whose events were given up, and that come back: they are told the state of today. One is back when it sends or polls (`met`), or when
 * it answers a call; those that can be called are, from time to time, by one process of the node at a time.
 */
export class Returns {
  readonly #options: ReturnsOptions
  readonly #owner = `returns-${crypto.randomUUID()}`
  /** Those that were away at the last look. */
  readonly #away = new Set<Rid>()
  readonly #probedAt = new Map<Rid, number>()
  readonly #resuming = new Set<Promise<void>>()
  readonly #wake = new Wake()

  constructor(options: ReturnsOptions) {
    this.#options = options
  }

  /** The node called us: if it had lapsed it is back. Costs nothing for all others. */
  met(target: Rid): void {
    if (!this.#away.delete(target)) return
    const resuming = this.#resume(target)
      .catch((error: unknown) => this.#options.log.error('a subscriber is back, and the store is not', { error }))
      .finally(() => this.#resuming.delete(resuming))
    this.#resuming.add(resuming)
  }

  /** Looks after them until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { log, retentionMs = Infinity } = this.#options
    while (!signal.aborted) {
      try {
        await this.look(signal)
      } catch (error) {
        log.error('subscribers that come back are held up by the store', { error })
      }
      await this.#wake.wait(Math.min(10_000, retentionMs / 10), signal)
    }
    await Promise.all(this.#resuming)
  }

  /** One round. What another process that takes over meanwhile does twice harms nobody. @throws what the store throws */
  async look(signal: AbortSignal): Promise<void> {
    const { store, graph, addressOf, peers = PeerList.open } = this.#options
    const lapsed = await store.lapsedTargets()
    this.#away.clear()
    for (const { target, resumed } of lapsed) if (!resumed) this.#away.add(target)
    for (const target of this.#probedAt.keys()) if (!this.#away.has(target)) this.#probedAt.delete(target)
    if (lapsed.length === 0) return
    await underLease(store, { name: LEASE, owner: this.#owner }, async () => {
      for (const { target, resumed } of lapsed) {
        const isKnown = graph.profile(target) !== undefined || addressOf(target) !== undefined
        if (!isKnown || !peers.has(target)) await store.dropDeliveries(target)
        else if (resumed) await this.#tellState(target, signal)
      }
      await this.#probe(lapsed, signal)
    })
  }

  /** Calls those that can be called and were not for a while. */
  async #probe(lapsed: readonly LapsedTarget[], signal: AbortSignal): Promise<void> {
    const { addressOf, clock, probeMs = 60_000 } = this.#options
    const now = clock()
    const due = lapsed.filter(({ target, resumed }) => {
      const isCallable = !resumed && addressOf(target) !== undefined
      return isCallable && now - (this.#probedAt.get(target) ?? -Infinity) >= probeMs
    })
    const queue = due.map(({ target }) => target)
    const work = async () => {
      for (let target = queue.shift(); target !== undefined && !signal.aborted; target = queue.shift()) {
        this.#probedAt.set(target, now)
        const error = await broadcast(target, [], this.#options)
        if (error === undefined) await this.#resume(target)
      }
    }
    await Promise.all(Array.from({ length: PROBES_AT_ONCE }, work))
  }

  async #resume(target: Rid): Promise<void> {
    const { store, log } = this.#options
    if (await store.resumeDeliveries(target))
      log.info('a subscriber is back after its events were given up', { peer: target })
    this.#wake.now()
  }

  /**
   * Queues what the target may have missed: what was forgotten as far back as the change log goes, then all that is cached, of the types that it
   * subscribes to. Whatever changes meanwhile is queued besides; interrupted, it begins again.
   */
  async #tellState(target: Rid, signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options
    const types = this.#typesOf(target)
    let count = 0
    const tell = async (eventType: 'NEW' | 'FORGET', rids: readonly Rid[], last = false) => {
      count += rids.length
      const references = rids.map((rid) => ({ rid, eventType }))
      if (rids.length > 0 || last) await store.queueState(target, references, last)
    }
    for (let seq = 0, more = types.length > 0; more;) {
      if (signal.aborted) return
      const changes = await store.changesAfter(seq, PAGE)
      const forgotten = changes.filter(
        ({ eventType, rid, origin }) => eventType === 'FORGET' && origin !== target && types.includes(ridTypeOf(rid)),
      )
      await tell('FORGET', [...new Set(forgotten.map(({ rid }) => rid))])
      seq = changes.at(-1)?.seq ?? seq
      more = changes.length === PAGE
    }
    let after: Rid | undefined
    for (let more = types.length > 0; more;) {
      if (signal.aborted) return
      const rids = await store.listRids({ types, after, limit: PAGE })
      await tell('NEW', rids)
      after = rids.at(-1)
      more = rids.length === PAGE
    }
    await tell('NEW', [], true)
    log.info('a subscriber that was away is told the state of today', { peer: target, types, count })
  }

  /** As for what is announced: `outputTargets`. */
  #typesOf(target: Rid): readonly string[] {
    const { identity, graph, peers = PeerList.open } = this.#options
    const provided = identity.profile.provides.event
    const subscribed = graph.edge(identity.rid, target)?.profile.rid_types ?? []
    return subscribed.filter((type) => provided.includes(type) && peers.allows(target, type))
  }
}
