export type AuthErrorCode = 'MISSING' | 'INVALID' | 'FORBIDDEN' | 'UNAVAILABLE'

const STATUS = { MISSING: 401, INVALID: 401, FORBIDDEN: 403, UNAVAILABLE: 503 } as const

/** What the challenge of a 401 or 403 names as its error (RFC 6750, section 3.1); without a token there is none. */
const CHALLENGE_ERROR = { INVALID: 'invalid_token', FORBIDDEN: 'insufficient_scope' } as const

export interface AuthErrorDetails extends ErrorOptions {
  /** What the caller lacks. */
  readonly missing?: readonly string[]
  /** Seconds after which it is worth another try. */
  readonly retryAfter?: number
}

/**
 * Why a caller is not let in, in words for that caller. The message is plain ASCII without quotes, for it also stands in a header, and has nothing of the
 * token in it.
 */
export class AuthError extends Error {
  readonly code: AuthErrorCode
  readonly status: 401 | 403 | 503
  readonly missing: readonly string[]
  readonly retryAfter: number | undefined

  constructor(code: AuthErrorCode, message: string, { missing = [], retryAfter, ...options }: AuthErrorDetails = {}) {
    super(message, options)
    this.name = 'AuthError'
    this.code = code
    this.status = STATUS[code]
    this.missing = missing
    this.retryAfter = retryAfter
  }

  /** The headers of the answer: `WWW-Authenticate` of a 401 and 403 (RFC 6750, section 3), `Retry-After` of a 503. */
  get headers(): Readonly<Record<string, string>> {
    if (this.code === 'UNAVAILABLE') return { 'retry-after': String(this.retryAfter ?? 1) }
    const parts = ['realm="koi-mcp"']
    if (this.code !== 'MISSING') {
      parts.push(`error="${CHALLENGE_ERROR[this.code]}"`, `error_description="${this.message}"`)
    }
    if (this.missing.length > 0) parts.push(`scope="${this.missing.join(' ')}"`)
    return { 'www-authenticate': `Bearer ${parts.join(', ')}` }
  }
}
