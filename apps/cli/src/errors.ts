/**
 * What the person at the terminal has to know: one line that says what is wrong, and the fix. Anything else that is thrown is a fault of
 * the program and is shown with its stack.
 */
export class CliError extends Error {
  readonly exitCode: number
  constructor(message: string, options: { cause?: unknown; exitCode?: number } = {}) {
    super(message, { cause: options.cause })
    this.name = 'CliError'
    this.exitCode = options.exitCode ?? 1
  }
}

/** The system's error code (`ENOENT`, `EADDRINUSE` …) of anything thrown. */
export const errorCode = (error: unknown): string | undefined => {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
