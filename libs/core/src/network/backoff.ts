import { setTimeout as timer } from 'node:timers/promises'

/** How long to wait between attempts that fail: `baseMs` × `factor`^n, at most `capMs`. */
export interface BackoffOptions {
  readonly baseMs: number
  readonly factor: number
  readonly capMs: number
}

export const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 1_000, factor: 1.5, capMs: 60_000 }

/** Between the attempts of a handler. */
export const HANDLER_BACKOFF: BackoffOptions = { baseMs: 1_000, factor: 1.5, capMs: 300_000 }

/**
 * The wait in milliseconds after `failures` failures in a row (1 = the first). A fifth of it is left to chance, so that
 * nodes that lost the same peer at the same moment do not come back to it at the same moment.
 */
export function backoffMs(failures: number, options: BackoffOptions, random: () => number = Math.random): number {
  const exponent = Math.max(0, failures - 1)
  const whole = Math.min(options.capMs, options.baseMs * options.factor ** exponent)
  return Math.round(whole * (0.8 + 0.2 * random()))
}

/** Waits; resolves early, and without an error, when the signal aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  try {
    await timer(ms, undefined, { signal })
  } catch {
    // Only the abort can end a timer early, and whoever asked looks at the signal.
  }
}
