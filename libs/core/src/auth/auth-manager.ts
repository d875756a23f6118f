import { createHash, timingSafeEqual } from 'node:crypto'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { AuthError } from './auth-error.ts'
import type { AuthUser } from './auth-user.ts'
import { VerifiedTokens } from './verified-tokens.ts'

/** A token whose signature, issuer, audience and times were checked. */
export interface VerifiedToken {
  readonly subject: string
  readonly permissions: ReadonlySet<string>
  /** Milliseconds since the Unix epoch; from then on the token is refused. */
  readonly expiresAt: number
  /** Whether the key it is signed with is still one of the issuer's. Asked at every use of the token, so it must be quick. */
  isTrusted(): boolean
}

/** Checks one token. A port: `createTokenVerifier` of `@koi-mcp/platform` checks JWTs, an application may bring its own. */
export interface TokenVerifier {
  /** @throws AuthError `INVALID`, or `UNAVAILABLE` where it cannot be said now */
  verify(token: string): Promise<VerifiedToken>
}

export interface AuthConfig {
  readonly verifier: TokenVerifier
  /** A secret that is a token too, for services: whoever shows it has all of `servicePermissions`. */
  readonly serviceToken?: string | undefined
  readonly servicePermissions?: readonly string[] | undefined
  /** Verified tokens that are remembered; default 10,000. */
  readonly cacheSize?: number | undefined
  readonly clock?: Clock | undefined
}

/** A longer one is refused unread. Heads of requests end at 16 KiB. */
const MAX_TOKEN = 8192

/** Says who shows a token. What was verified once is remembered until it runs out, so it goes on while the issuer is away. */
export class AuthManager {
  readonly #verifier: TokenVerifier
  readonly #service: { readonly hash: Buffer; readonly user: AuthUser } | undefined
  readonly #verified: VerifiedTokens
  readonly #clock: Clock

  constructor({ verifier, serviceToken, servicePermissions = [], cacheSize = 10_000, clock }: AuthConfig) {
    this.#verifier = verifier
    const user = { subject: 'service', permissions: new Set(servicePermissions) }
    this.#service = serviceToken === undefined ? undefined : { hash: hashOf(serviceToken), user }
    this.#verified = new VerifiedTokens(cacheSize)
    this.#clock = clock ?? systemClock
  }

  /** Verified tokens that are remembered now. */
  get remembered(): number {
    return this.#verified.size
  }

  /** The user whom a token stands for. @throws AuthError 401 for a token that is not good, 503 where nobody can say now */
  async validateToken(token: string): Promise<AuthUser> {
    if (token === '') throw new AuthError('MISSING', 'This needs a token: Authorization: Bearer <token>')
    if (token.length > MAX_TOKEN) {
      throw new AuthError('INVALID', `The token is longer than ${MAX_TOKEN} characters`)
    }
    const hash = hashOf(token)
    // In a time that says nothing about where they differ.
    if (this.#service !== undefined && timingSafeEqual(hash, this.#service.hash)) return this.#service.user
    const key = hash.toString('base64url')
    const known = this.#verified.get(key, this.#clock())
    if (known !== undefined) return known
    const verified = await this.#verifier.verify(token)
    this.#verified.add(key, verified)
    return verified
  }
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
