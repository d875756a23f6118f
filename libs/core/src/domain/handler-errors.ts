export interface HandlerErrorOptions {
  /** Machine-readable reason, for counters and dead letters: `SOURCE_TIMEOUT`. */
  readonly code?: string
  readonly cause?: unknown
}

/** A failure that may pass: the same knowledge is handled again later, as often as the handler and the node allow. */
export class TransientError extends Error {
  readonly code: string
  /** Milliseconds until the next try; absent: the caller's own backoff. */
  readonly delayMs: number | undefined
  constructor(message: string, options: HandlerErrorOptions & { readonly delayMs?: number } = {}) {
    super(message, { cause: options.cause })
    this.name = 'TransientError'
    this.code = options.code ?? 'TRANSIENT'
    this.delayMs = options.delayMs
  }
}

/** A failure that trying again does not mend. */
export class PermanentError extends Error {
  readonly code: string
  constructor(message: string, options: HandlerErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'PermanentError'
    this.code = options.code ?? 'PERMANENT'
  }
}
