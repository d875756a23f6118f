import { printable } from '../output/printable.ts'

/** A line that a service wrote: one of its JSON log lines, or anything else (a crash of the runtime, say) as `info` text. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
  readonly structured: boolean
}

/** One of our own. */
export const warning = (message: string): LogLine => ({ level: 'warn', message, fields: {}, structured: true })

export const readLogLine = (line: string): LogLine => {
  const record = line.startsWith('{') ? parse(line) : undefined
  if (record === undefined || typeof record['msg'] !== 'string') {
    return { level: 'info', message: line, fields: {}, structured: false }
  }
  const { level, msg, time: _time, role: _role, ...fields } = record
  return { level: levelOf(level), message: msg, fields, structured: true }
}

const parse = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const levelOf = (level: unknown): LogLine['level'] =>
  level === 'debug' || level === 'warn' || level === 'error' ? level : level === 'fatal' ? 'error' : 'info'

/** `message (field value, field value)`, safe for a terminal; without stacks and what the message says already. */
export const logText = ({ message, fields }: LogLine): string => {
  const told = Object.entries(fields)
    .filter(([name]) => name !== 'stack' && name !== 'context')
    .filter(([, value]) => !(typeof value === 'string' && message.includes(value)))
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return printable(told.length === 0 ? message : `${message} (${told.join(', ')})`)
}
