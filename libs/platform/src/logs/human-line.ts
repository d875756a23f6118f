import { printable } from './printable.ts'

/** A line of pino's JSON, as `createLogger` writes it. */
export interface LogRecord {
  readonly time: string
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

const COLOURS: Readonly<Record<string, string>> = { debug: '90', info: '32', warn: '33', error: '31' }

/** `12:03:04.123 WARN  cannot reach the peer  peer=orn:koi-net.node:a+… attempts=3`; a stack goes on the lines after it. */
export function humanLine({ time, level, msg, role: _role, ...fields }: LogRecord, colours: boolean): string {
  const paint = (code: string | undefined, text: string) =>
    colours && code !== undefined ? `\u001b[${code}m${text}\u001b[0m` : text
  const { stack, ...others } = fields
  const pairs = Object.entries(others).map(([name, value]) => `${paint('90', `${name}=`)}${fieldText(value)}`)
  const head = [time.slice(11, 23), paint(COLOURS[level], level.toUpperCase().padEnd(5)), printable(msg)].join(' ')
  const lines = typeof stack === 'string' ? stack.split('\n').slice(1) : []
  return [[head, ...pairs].join('  '), ...lines.map(printable)].join('\n') + '\n'
}

function fieldText(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return printable(text.includes(' ') ? JSON.stringify(text) : text)
}
