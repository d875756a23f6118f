import type { Stop } from './io.ts'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs a command that ends in good order on the first signal. Ctrl-C under `npm start` comes twice (from the terminal, and passed on by npm's
 * script), so that only a signal a second later counts as asked again.
 */
export const withStop = async <T>(work: (stop: Stop) => Promise<T>): Promise<T> => {
  const first = new AbortController()
  const again = new AbortController()
  let since = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!first.signal.aborted) {
      since = performance.now()
      first.abort(new StopRequested(signal))
    } else if (performance.now() - since > 1000) again.abort(new StopRequested(signal))
  }
  const onPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error
    first.abort(new StopRequested('EPIPE'))
  }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  process.stdout.on('error', onPipe)
  try {
    return await work({ signal: first.signal, hurry: again.signal })
  } finally {
    // Late duplicates of the signal must not end the process by force while it leaves.
    for (const signal of SIGNALS) process.on(signal, () => undefined)
    for (const signal of SIGNALS) process.off(signal, onSignal)
  }
}

/** Why a command ends before its work is done; no fault. */
export class StopRequested extends Error {
  constructor(cause: string) {
    super(`stopped by ${cause}`)
    this.name = 'StopRequested'
  }
}
