import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'
import { sleep } from '../network/backoff.ts'
import type { NamedLease, NodeStore } from '../store/node-store.ts'
import { HeldShare } from './held-share.ts'
import { Presence } from './presence.ts'
import type { Share, ShareHolder, Shares } from './share.ts'

export interface SourceSharesOptions {
  readonly store: Pick<NodeStore, 'takeLease' | 'releaseLease' | 'setValue' | 'listValues'>
  /** What is divided; all who name it the same divide it among themselves. */
  readonly source: string
  /** In how many parts the work falls, the same for all replicas; more of them than this find nothing to do. Default 12, which 2, 3, 4 and 6 divide. */
  readonly parts?: number | undefined
  /** A replica that shows no sign of life for so long has lost its shares, in milliseconds; default 6,000. */
  readonly leaseMs?: number | undefined
  /** This replica's name among the others; default: one that nobody else has. */
  readonly owner?: string | undefined
  readonly log?: Logger | undefined
  /** One that nobody sets; default: the machine's. */
  readonly clock?: Clock | undefined
}

const PARTS = 12
const LEASE_MS = 6_000

/**
 * Divides a source's work among the replicas of a node: each part is held under a named lease of the store, by one replica at a time, and each
 * replica holds its fair share of the parts. All is renewed three times within a lease; what could not be is given up before the lease can be over.
 */
export class SourceShares implements Shares {
  readonly alone = false
  readonly #store: SourceSharesOptions['store']
  readonly #name: string
  readonly #parts: number
  readonly #leaseMs: number
  readonly #owner: string
  readonly #log: Logger
  readonly #clock: Clock
  readonly #presence: Presence
  readonly #stopping = new AbortController()
  readonly #held = new Map<number, HeldShare>()
  /** Parts that work is being ended on. */
  readonly #leaving = new Map<number, Promise<void>>()
  #holder: ShareHolder | undefined
  #beating: Promise<void> = Promise.resolve()
  #expiry: NodeJS.Timeout | undefined
  #said = ''
  #failing = false
  #stopped: Promise<void> | undefined

  constructor(options: SourceSharesOptions) {
    const { store, source, parts = PARTS, leaseMs = LEASE_MS, owner = randomUUID(), log = silentLogger } = options
    this.#store = store
    this.#name = `sources/${source}`
    this.#parts = parts
    this.#leaseMs = leaseMs
    this.#owner = owner
    this.#log = log
    this.#clock = options.clock ?? (() => performance.now())
    const prefix = `${this.#name}/replicas/`
    this.#presence = new Presence({ store, prefix, owner, goneMs: leaseMs, clock: this.#clock })
  }

  get held(): readonly Share[] {
    return [...this.#held.values()].filter(({ isOver }) => !isOver)
  }

  of(key: string): Share | undefined {
    const share = this.#held.get(partOf(key, this.#parts))
    return share?.isOver === false ? share : undefined
  }

  async start(holder: ShareHolder): Promise<void> {
    this.#holder = holder
    const first = this.beat()
    this.#beating = first.then(() => this.#beatOn())
    await first
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop())
  }

  /** Renews what is held, and gives back or takes what makes it a fair share. `start` does it from time to time; never rejects. */
  async beat(): Promise<void> {
    try {
      const [{ replicas, rank }] = await all([this.#presence.beat(), this.#renew()])
      const fair = Math.floor(this.#parts / replicas) + (rank < this.#parts % replicas ? 1 : 0)
      for (const share of [...this.#held.values()].slice(fair)) this.#drop(share)
      await this.#take(fair, Math.floor((rank * this.#parts) / replicas))
      this.#failing = false
      this.#say(replicas)
    } catch (error) {
      // What is held stands until its time is over.
      if (!this.#failing) this.#log.warn(`the shares of ${this.#name} cannot be renewed, trying on: ${String(error)}`)
      this.#failing = true
    }
    this.#watchTime()
  }

  async #beatOn(): Promise<void> {
    const { signal } = this.#stopping
    for (;;) {
      await sleep(this.#leaseMs / 3, signal)
      if (signal.aborted) return
      await this.beat()
    }
  }

  async #stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#expiry)
    for (const share of [...this.#held.values()]) this.#drop(share)
    await this.#beating
    await Promise.all(this.#leaving.values())
    await this.#presence.leave().catch(() => undefined) // Others see it by its silence.
  }

  async #renew(): Promise<void> {
    const renewed = [...this.#held.values()].map(async (share) => {
      if (share.isOver) return this.#drop(share)
      const until = this.#untilFromNow()
      const lease = await this.#takeLease(share.part)
      if (lease?.token === share.lease.token && !share.isOver) return share.renew(until)
      // Lost, or taken anew after another may have had it; or it took too long.
      this.#drop(share)
      if (lease !== undefined) await this.#store.releaseLease(lease)
    })
    await all(renewed)
  }

  /** Takes parts, as far as nobody holds them, until there are as many as are fair. Each begins to ask at another part. */
  async #take(fair: number, first: number): Promise<void> {
    const before = this.#held.size
    const parts = Array.from({ length: this.#parts }, (_, index) => (first + index) % this.#parts)
    const wanted = parts.filter((part) => !this.#held.has(part) && !this.#leaving.has(part))
    try {
      while (this.#held.size < fair && wanted.length > 0 && !this.#stopping.signal.aborted) {
        const some = wanted.splice(0, fair - this.#held.size)
        await all(some.map((part) => this.#takePart(part)))
      }
    } finally {
      if (this.#held.size > before) this.#holder?.onGained()
    }
  }

  async #takePart(part: number): Promise<void> {
    const until = this.#untilFromNow()
    const lease = await this.#takeLease(part)
    if (lease === undefined) return
    if (this.#stopping.signal.aborted) return this.#store.releaseLease(lease)
    const onOver = (share: HeldShare): void => this.#drop(share)
    this.#held.set(part, new HeldShare({ part, lease, until, clock: this.#clock, onOver }))
  }

  #takeLease(part: number): Promise<NamedLease | undefined> {
    return this.#store.takeLease(`${this.#name}/${part}`, this.#owner, this.#leaseMs)
  }

  /** By the moment before the store is asked, and some less: work is over here before the lease can be over there. */
  #untilFromNow(): number {
    return this.#clock() + (this.#leaseMs * 5) / 6
  }

  #drop(share: HeldShare): void {
    if (this.#held.get(share.part) !== share) return
    this.#held.delete(share.part)
    share.end()
    const left = this.#leave(share).catch((error: unknown) => {
      // It runs out by itself.
      this.#log.warn(`a share of ${this.#name} could not be given back: ${String(error)}`)
    })
    this.#leaving.set(
      share.part,
      left.finally(() => this.#leaving.delete(share.part)),
    )
  }

  async #leave(share: HeldShare): Promise<void> {
    await this.#holder?.onLost(share)
    await this.#store.releaseLease(share.lease)
  }

  #watchTime(): void {
    clearTimeout(this.#expiry)
    const { aborted } = this.#stopping.signal
    if (aborted || this.#held.size === 0) return
    const next = Math.min(...[...this.#held.values()].map(({ until }) => until))
    const check = (): void => {
      for (const share of [...this.#held.values()]) if (share.isOver) this.#drop(share)
      this.#watchTime()
    }
    this.#expiry = setTimeout(check, Math.max(1, next - this.#clock()))
    this.#expiry.unref()
  }

  #say(replicas: number): void {
    const fields = { source: this.#name, held: this.#held.size, parts: this.#parts, replicas }
    const text = JSON.stringify(fields)
    if (text === this.#said || this.#stopping.signal.aborted) return
    this.#said = text
    this.#log.info('shares of a source', fields)
  }
}

/** Waits for all, also where one fails: no call of one beat is under way in the next. */
async function all<T extends readonly unknown[]>(calls: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(calls)
  return await Promise.all(calls)
}

function partOf(key: string, parts: number): number {
  return createHash('sha256').update(key).digest().readUInt32BE(0) % parts
}
