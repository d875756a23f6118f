/** What every part of a node logs with; pino's loggers fit it as they are wrapped by `libs/platform`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** Structured fields of a log line. Common names: `rid`, `peer`, `error`, `count`. */
export type LogFields = Readonly<Record<string, unknown>>

/** A logger that says nothing; the default of everything that is embedded. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
