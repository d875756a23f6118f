import { LeaseLostError } from '../../store/node-store.ts'
import type { NamedLease } from '../../store/node-store.ts'
import type { HeldShare } from '../held-share.ts'
import type { SourceSharesOptions } from '../source-shares.ts'

interface Held {
  owner: string
  token: number
  until: number
}

/** A store's leases and values under a clock that the test moves; calls and their answers arrive when the test lets them. */
export class LeaseWorld {
  now = 0
  /** Whether calls arrive by themselves. */
  open = true
  /** Whether calls fail. */
  down = false
  readonly values = new Map<string, string>()
  readonly #leases = new Map<string, Held>()
  readonly #waiting: (() => void)[] = []
  #token = 0

  readonly clock = (): number => this.now

  get waiting(): number {
    return this.#waiting.length
  }

  readonly store: SourceSharesOptions['store'] = {
    takeLease: (name, owner, leaseMs) =>
      this.#call(() => {
        const held = this.#leases.get(name)
        const live = held !== undefined && held.until > this.now
        if (live && held.owner !== owner) return undefined
        const token = live ? held.token : (this.#token += 1)
        this.#leases.set(name, { owner, token, until: this.now + leaseMs })
        return { name, owner, token }
      }),
    releaseLease: (lease) =>
      this.#call(() => {
        if (this.holds(lease)) this.#leases.delete(lease.name)
      }),
    setValue: (key, value) =>
      this.#call(() => {
        if (value === undefined) this.values.delete(key)
        else this.values.set(key, value)
      }),
    listValues: (prefix) => this.#call(() => new Map([...this.values].filter(([key]) => key.startsWith(prefix)))),
  }

  holds({ name, owner, token }: NamedLease): boolean {
    const held = this.#leases.get(name)
    return held?.owner === owner && held.token === token && held.until > this.now
  }

  /** What a store does with a write under a lease. */
  readonly write = (lease: NamedLease | undefined): Promise<string> =>
    this.#call(() => {
      if (lease === undefined || !this.holds(lease)) throw new LeaseLostError('lost')
      return lease.name
    })

  /** Lets one of the calls and answers that wait arrive. */
  async arrive(index: number): Promise<void> {
    const [one] = this.#waiting.splice(index % this.#waiting.length, 1)
    one?.()
    await settled()
  }

  async arriveAll(): Promise<void> {
    this.open = true
    while (this.#waiting.length > 0) await this.arrive(0)
  }

  async #call<T>(effect: () => T): Promise<T> {
    await this.#gate()
    if (this.down) throw new Error('the store is away')
    const result = effect()
    await this.#gate()
    return result
  }

  #gate(): Promise<void> {
    return this.open ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** Resolves when nothing more happens by itself. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const partsOf = (shares: { readonly held: readonly unknown[] }): number[] =>
  (shares.held as HeldShare[]).map(({ part }) => part).sort((a, b) => a - b)
