import type { LoggerService } from '@nestjs/common'
import type { Logger } from '@koi-mcp/core'

/** NestJS's own lines in the service's log. What Nest tells of its start ("… dependencies initialized") is worth a debug line. */
export function nestLogger(log: Logger): LoggerService {
  const fields = (parameters: readonly unknown[]) => {
    const context = parameters.at(-1)
    return typeof context === 'string' ? { context } : {}
  }
  return {
    log: (message: unknown, ...rest: unknown[]) => log.debug(String(message), fields(rest)),
    debug: (message: unknown, ...rest: unknown[]) => log.debug(String(message), fields(rest)),
    verbose: (message: unknown, ...rest: unknown[]) => log.debug(String(message), fields(rest)),
    warn: (message: unknown, ...rest: unknown[]) => log.warn(String(message), fields(rest)),
    error: (message: unknown, ...rest: unknown[]) => log.error(String(message), fields(rest)),
    fatal: (message: unknown, ...rest: unknown[]) => log.error(String(message), fields(rest)),
  }
}
