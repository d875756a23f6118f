import type { Clock } from '../clock.ts'
import { LeaseLostError } from '../store/node-store.ts'
import type { NamedLease } from '../store/node-store.ts'
import type { Share } from './share.ts'

export interface HeldShareOptions {
  readonly part: number
  readonly lease: NamedLease
  /** When it is over unless it is renewed, by the clock. */
  readonly until: number
  readonly clock: Clock
  /** The store says, or the clock, that the share is over. */
  readonly onOver: (share: HeldShare) => void
}

/** A share under a lease of the store. */
export class HeldShare implements Share {
  readonly part: number
  readonly lease: NamedLease
  readonly #clock: Clock
  readonly #onOver: (share: HeldShare) => void
  readonly #over = new AbortController()
  #until: number

  constructor({ part, lease, until, clock, onOver }: HeldShareOptions) {
    this.part = part
    this.lease = lease
    this.#until = until
    this.#clock = clock
    this.#onOver = onOver
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  get until(): number {
    return this.#until
  }

  /** A process that slept finds it so before any timer has told. */
  get isOver(): boolean {
    return this.signal.aborted || this.#clock() >= this.#until
  }

  async write<T>(write: (under: NamedLease) => Promise<T>): Promise<T> {
    try {
      if (this.isOver) throw new LeaseLostError(`The time of the lease ${this.lease.name} is over here`)
      return await write(this.lease)
    } catch (error) {
      if (error instanceof LeaseLostError) this.#onOver(this)
      throw error
    }
  }

  renew(until: number): void {
    this.#until = until
  }

  end(): void {
    this.#over.abort()
  }
}
