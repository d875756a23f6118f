import { calculateJwkThumbprint, createLocalJWKSet, errors } from 'jose'
import type { CryptoKey, JWSHeaderParameters } from 'jose'
import { AuthError } from '@koi-mcp/core'
import type { Clock, Logger } from '@koi-mcp/core'
import type { KeySource } from './key-source.ts'
import { readPublicKeys } from './public-keys.ts'

export interface KeySetTimes {
  /** Keys this old are asked for again, while those at hand still serve. A key that the issuer takes away is gone by then. */
  readonly refreshMs: number
  /** Keys this old serve no longer. */
  readonly maxAgeMs: number
  /** A key that is not known is looked for at the issuer at most so often, whatever strangers show. */
  readonly lookMs: number
  /** After a failure nobody asks for so long. */
  readonly pauseMs: number
}

const TIMES: KeySetTimes = { refreshMs: 300_000, maxAgeMs: 600_000, lookMs: 10_000, pauseMs: 5_000 }

export interface KeySetOptions {
  readonly source: KeySource
  readonly log: Logger
  readonly times?: KeySetTimes | undefined
  /** For appointments; by default the machine's monotonic one. */
  readonly clock?: Clock | undefined
}

interface Loaded {
  readonly find: (header: JWSHeaderParameters) => Promise<CryptoKey>
  readonly thumbprints: ReadonlySet<string>
  readonly at: number
}

/** The public keys of an issuer as they are now: loaded when they are needed, kept for a while, and followed when they are rotated. */
export class KeySet {
  readonly #source: KeySource
  readonly #log: Logger
  readonly #times: KeySetTimes
  readonly #clock: Clock
  #loaded: Loaded | undefined
  #loading: Promise<Loaded> | undefined
  #failedAt: number | undefined
  #lookedAt = -Infinity

  constructor({ source, log, times = TIMES, clock = () => performance.now() }: KeySetOptions) {
    this.#source = source
    this.#log = log
    this.#times = times
    this.#clock = clock
  }

  /** The key that a token's header names. @throws AuthError 401 where the issuer has no such key, 503 where it cannot be asked */
  async find(header: JWSHeaderParameters): Promise<CryptoKey> {
    const loaded = await this.#usable()
    const key = await foundIn(loaded, header)
    if (key !== undefined) return key
    // Somebody else may have looked while this one waited.
    const now = this.#loaded ?? loaded
    const again = now === loaded ? await this.#lookAgain() : now
    const rotated = again && (await foundIn(again, header))
    if (rotated !== undefined) return rotated
    throw new AuthError('INVALID', 'The token is signed with a key that its issuer does not show')
  }

  /** Whether a key, by its thumbprint, is among those that the issuer showed last. */
  holds(thumbprint: string): boolean {
    this.#refreshBeforehand()
    return this.#loaded?.thumbprints.has(thumbprint) === true
  }

  /** Loads the keys before anybody needs them. Never rejects: what is wrong stands in the log. */
  async prepare(): Promise<void> {
    await this.#load().catch(() => undefined)
  }

  async #usable(): Promise<Loaded> {
    this.#refreshBeforehand()
    const loaded = this.#loaded
    if (loaded !== undefined && this.#clock() - loaded.at < this.#times.maxAgeMs) return loaded
    return this.#load()
  }

  #refreshBeforehand(): void {
    if (this.#loaded === undefined || this.#clock() - this.#loaded.at < this.#times.refreshMs) return
    this.#load().catch(() => undefined)
  }

  /** `undefined` where it is too early to look again. */
  async #lookAgain(): Promise<Loaded | undefined> {
    if (this.#loading === undefined) {
      if (this.#clock() - this.#lookedAt < this.#times.lookMs && this.#failedAt === undefined) return undefined
      this.#lookedAt = this.#clock()
    }
    return this.#load()
  }

  /** One for all who wait. */
  #load(): Promise<Loaded> {
    const pause = this.#failedAt === undefined ? 0 : this.#failedAt + this.#times.pauseMs - this.#clock()
    if (pause > 0) return Promise.reject(away(pause))
    return (this.#loading ??= this.#ask().finally(() => (this.#loading = undefined)))
  }

  async #ask(): Promise<Loaded> {
    try {
      const keys = readPublicKeys(await this.#source())
      // A key that lacks a part has none, and verifies nothing.
      const printed = await Promise.allSettled(keys.map((key) => calculateJwkThumbprint(key)))
      const thumbprints = new Set(printed.flatMap((print) => (print.status === 'fulfilled' ? print.value : [])))
      const loaded = { find: createLocalJWKSet({ keys: [...keys] }), thumbprints, at: this.#clock() }
      if (this.#failedAt !== undefined) this.#log.info('the keys of the issuer are there again')
      this.#failedAt = undefined
      return (this.#loaded = loaded)
    } catch (error) {
      // Once for as long as it lasts.
      if (this.#failedAt === undefined) this.#log.warn('the keys of the issuer cannot be had', { why: reasonOf(error) })
      this.#failedAt = this.#clock()
      throw away(this.#times.pauseMs, error)
    }
  }
}

async function foundIn({ find }: Loaded, header: JWSHeaderParameters): Promise<CryptoKey | undefined> {
  try {
    return await find(header)
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return undefined
    throw error
  }
}

function away(pauseMs: number, cause?: unknown): AuthError {
  const retryAfter = Math.max(1, Math.ceil(pauseMs / 1000))
  return new AuthError('UNAVAILABLE', 'The keys of the issuer of tokens cannot be had now, try again', {
    retryAfter,
    cause,
  })
}

/** `fetch` says why only in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
