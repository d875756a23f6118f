import { isSpanContextValid, trace } from '@opentelemetry/api'
import { destination, pino, stdTimeFunctions } from 'pino'
import type { DestinationStream } from 'pino'
import type { LogFields, Logger } from '@koi-mcp/core'
import type { LoggingSettings } from '../config/settings.ts'
import { humanLine } from './human-line.ts'
import type { LogRecord } from './human-line.ts'

const SECRET = /password|secret|token|authorization|private_?key/i
const MAX_FIELD = 2000

export interface LoggerOptions extends Pick<LoggingSettings, 'level' | 'format'> {
  /** Stands in every JSON line. */
  readonly role: string
  /** Where lines go; by default standard output, written at once so that none is lost at the end. */
  readonly output?: DestinationStream & { readonly isTTY?: boolean }
}

/**
 * The service's `Logger`: one JSON object a line (`time`, `level`, `role`, `msg`, the fields, and `trace_id` and `span_id` of what is traced), or short lines for people. Fields named like
 * secrets are left out; errors become `error` (message), `code` and, for what nobody foresaw, `stack`.
 */
export function createLogger({ level, format, role, output }: LoggerOptions): Logger {
  const isTerminal = output === undefined ? process.stdout.isTTY : output.isTTY === true
  const target = output ?? standardOutput()
  const pretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const lines: DestinationStream = pretty ? { write: (line) => target.write(prettyLine(line, isTerminal)) } : target
  const options = {
    level,
    base: { role },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: activeTrace,
  }
  const log = pino(options, lines)
  return {
    debug: (message, fields) => log.debug(loggable(role, fields), message),
    info: (message, fields) => log.info(loggable(role, fields), message),
    warn: (message, fields) => log.warn(loggable(role, fields), message),
    error: (message, fields) => log.error(loggable(role, fields), message),
  }
}

/** What a line was written about, where it is traced. */
function activeTrace(): Readonly<Record<string, string>> {
  const span = trace.getActiveSpan()?.spanContext()
  // A new object each time: pino puts the fields into it.
  return span === undefined || !isSpanContextValid(span) ? {} : { trace_id: span.traceId, span_id: span.spanId }
}

function standardOutput(): DestinationStream {
  const stream = destination({ fd: 1, sync: true })
  // Whoever read our lines is gone; the service goes on without being heard.
  stream.on('error', () => undefined)
  return stream
}

function prettyLine(line: string, colours: boolean): string {
  return humanLine(JSON.parse(line) as LogRecord, colours)
}

/** Fields as they are written: no secrets, errors as text, long texts cut. Names that every line has are not overwritten. */
function loggable(role: string, fields: LogFields = {}): Record<string, unknown> {
  const written: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (SECRET.test(name) || value === undefined || (name === 'role' && value === role)) continue
    const key = ['time', 'level', 'role', 'msg'].includes(name) ? `${name}_` : name
    if (value instanceof Error) Object.assign(written, errorFields(key, value))
    else written[key] = typeof value === 'string' ? cut(value) : typeof value === 'bigint' ? String(value) : value
  }
  return written
}

function errorFields(key: string, error: Error): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  const cause = error.cause instanceof Error ? { cause: cut(error.cause.message) } : {}
  // Errors with a code are foreseen: their message says what is wrong, and where they were thrown helps nobody.
  const place = typeof code === 'string' ? { code } : { stack: error.stack }
  return { [key]: cut(error.message), ...cause, ...place }
}

function cut(text: string): string {
  return text.length > MAX_FIELD ? `${text.slice(0, MAX_FIELD)}…` : text
}
