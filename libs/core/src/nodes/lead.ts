import { sleep } from '../network/backoff.ts'
import type { Logger } from '../logger.ts'
import { LeaseLostError } from '../store/node-store.ts'
import type { NamedLease, NodeStore } from '../store/node-store.ts'

export interface LeadOptions {
  readonly store: Pick<NodeStore, 'takeLease' | 'releaseLease'>
  readonly log: Logger
  /** How long another process waits for one that died, in milliseconds; default 10 s. */
  readonly leaseMs?: number
}

const NAME = 'lead'
const LEASE_MS = 10_000

/**
 * What the processes of a node do once and not each: introduce it, catch up with others, poll. One of them leads, for as long as it renews a lease;
 * another takes over when it ends or dies, and begins anew. In a store of its own a process leads from its start on.
 */
export class Lead {
  readonly #options: LeadOptions
  readonly #owner = `lead-${crypto.randomUUID()}`
  #lease: NamedLease | undefined

  constructor(options: LeadOptions) {
    this.#options = options
  }

  get leads(): boolean {
    return this.#lease !== undefined
  }

  /** By which this process leads; in a process that slept it may have passed to another. @throws LeaseLostError where another leads */
  get lease(): NamedLease {
    if (this.#lease === undefined) throw new LeaseLostError('Another process of this node leads')
    return this.#lease
  }

  /**
   * Leads whenever it can, until the signal aborts. `begin` starts what is to be done, and answers with what goes on; its signal aborts when this
   * process leads no more. Resolves behind the first try, with what goes on in the background, which never rejects.
   */
  async start(begin: Begin, signal: AbortSignal): Promise<{ readonly ended: Promise<void> }> {
    const first = await this.#try(begin, signal)
    return { ended: this.#go(begin, first, signal) }
  }

  async #go(begin: Begin, first: Term | undefined, signal: AbortSignal): Promise<void> {
    const { leaseMs = LEASE_MS } = this.#options
    for (let term = first; ; term = await this.#try(begin, signal)) {
      if (term !== undefined) await this.#lead(term, signal)
      if (signal.aborted) return
      await sleep(leaseMs / 5, signal)
    }
  }

  async #try(begin: Begin, signal: AbortSignal): Promise<Term | undefined> {
    const { log } = this.#options
    const since = performance.now()
    const lease = signal.aborted ? undefined : await this.#take()
    if (lease === undefined || lease === 'unknown') return undefined
    this.#lease = lease
    const over = new AbortController()
    try {
      return { lease, since, over, work: await begin(AbortSignal.any([signal, over.signal])) }
    } catch (error) {
      log.error('what one process of this node does for all of them cannot begin, trying again', { error })
      over.abort()
      await this.#giveBack(lease)
      return undefined
    }
  }

  /** Until the lease is lost, or could not be renewed for so long that it may be. */
  async #lead({ lease, since, over, work }: Term, signal: AbortSignal): Promise<void> {
    const { leaseMs = LEASE_MS } = this.#options
    for (let renewedAt = since; !signal.aborted && performance.now() - renewedAt < leaseMs;) {
      await sleep(leaseMs / 5, signal)
      if (signal.aborted) break
      const asked = performance.now()
      const renewed = await this.#take()
      if (renewed === 'unknown') continue
      if (renewed?.token !== lease.token) break
      renewedAt = asked
    }
    this.#lease = undefined
    over.abort()
    await Promise.all(work)
    await this.#giveBack(lease)
  }

  /** `unknown` where the store does not answer. */
  async #take(): Promise<NamedLease | 'unknown' | undefined> {
    const { store, log, leaseMs = LEASE_MS } = this.#options
    try {
      return await store.takeLease(NAME, this.#owner, leaseMs)
    } catch (error) {
      log.debug('who leads is not known, the store does not answer', { error })
      return 'unknown'
    }
  }

  async #giveBack(lease: NamedLease): Promise<void> {
    this.#lease = undefined
    await this.#options.store.releaseLease(lease).catch(() => undefined) // It runs out by itself.
  }
}

type Begin = (signal: AbortSignal) => Promise<readonly Promise<void>[]>

interface Term {
  readonly lease: NamedLease
  /** When the lease was asked for, of `performance.now`. */
  readonly since: number
  readonly over: AbortController
  readonly work: readonly Promise<void>[]
}
