import { calculateJwkThumbprint, errors, exportJWK, jwtVerify } from 'jose'
import { AuthError, systemClock } from '@koi-mcp/core'
import type { Clock, Logger, TokenVerifier, VerifiedToken } from '@koi-mcp/core'
import { permissionsOf, subjectOf } from './claims.ts'
import type { KeySet } from './key-set.ts'

/** By how much the clocks of issuer and node may differ. */
const TOLERANCE_S = 5

export interface JwtVerifierOptions {
  readonly keys: Pick<KeySet, 'find' | 'holds'>
  readonly issuer: string
  /** One of them must be among those that the token is for. */
  readonly audience: readonly string[]
  readonly algorithms: readonly string[]
  readonly permissionsClaim?: string | undefined
  readonly log: Logger
  readonly clock?: Clock | undefined
}

/** Checks JSON Web Tokens (RFC 7519) against the keys of one issuer. */
export class JwtVerifier implements TokenVerifier {
  readonly #options: JwtVerifierOptions
  readonly #clock: Clock

  constructor(options: JwtVerifierOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  async verify(token: string): Promise<VerifiedToken> {
    const { keys, issuer, audience, algorithms, permissionsClaim } = this.#options
    try {
      const { payload, key } = await jwtVerify(token, (header) => keys.find(header), {
        issuer,
        audience: [...audience],
        algorithms: [...algorithms],
        requiredClaims: ['exp'],
        clockTolerance: TOLERANCE_S,
        currentDate: new Date(this.#clock()),
      })
      const thumbprint = await calculateJwkThumbprint(await exportJWK(key))
      return {
        subject: subjectOf(payload),
        permissions: permissionsOf(payload, permissionsClaim),
        expiresAt: (Number(payload.exp) + TOLERANCE_S) * 1000,
        isTrusted: () => keys.holds(thumbprint),
      }
    } catch (error) {
      throw this.#refusal(error)
    }
  }

  #refusal(error: unknown): AuthError {
    if (error instanceof AuthError) return error
    const message = error instanceof errors.JOSEError ? messageOf(error, this.#options.algorithms) : undefined
    if (message !== undefined) return new AuthError('INVALID', message)
    // A key that the issuer shows and nobody can use, say. The token may be good.
    this.#options.log.warn('a token could not be checked', { error })
    return new AuthError('UNAVAILABLE', 'The token could not be checked, try again', { retryAfter: 5 })
  }
}

const CLAIM_MESSAGES: Readonly<Record<string, string>> = {
  iss: 'The token is of another issuer (iss) than the one trusted here',
  aud: 'The token is for another audience (aud) than this service',
  exp: 'The token has no time at which it ends (exp)',
  nbf: 'The token is not valid yet (nbf); are the clocks right?',
}

function messageOf(error: errors.JOSEError, algorithms: readonly string[]): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired (exp)'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return CLAIM_MESSAGES[error.claim] ?? 'A claim of the token is not as it must be'
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature of the token is not right'
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return `The token is signed in a way that is not taken here; taken are ${algorithms.join(', ')}`
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'The token does not say which key of its issuer it is signed with (kid)'
  }
  return 'The token is no JSON Web Token that can be read'
}
