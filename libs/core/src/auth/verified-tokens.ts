import type { VerifiedToken } from './auth-manager.ts'

/** Tokens that were verified, by their hashes, as many as `limit`: the one that was asked for longest ago goes first. */
export class VerifiedTokens {
  readonly #limit: number
  readonly #byHash = new Map<string, VerifiedToken>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#byHash.size
  }

  /** What was verified, while it has not run out at `now` and its key is still trusted. */
  get(hash: string, now: number): VerifiedToken | undefined {
    const verified = this.#byHash.get(hash)
    if (verified === undefined) return undefined
    this.#byHash.delete(hash)
    if (verified.expiresAt <= now || !verified.isTrusted()) return undefined
    this.#byHash.set(hash, verified)
    return verified
  }

  add(hash: string, verified: VerifiedToken): void {
    this.#byHash.set(hash, verified)
    if (this.#byHash.size <= this.#limit) return
    const [oldest = ''] = this.#byHash.keys()
    this.#byHash.delete(oldest)
  }
}
