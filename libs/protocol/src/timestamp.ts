/**
 * Timestamps of manifests, in microseconds since 1970 (which Python's `datetime` holds and a JavaScript `Date` does not).
 *
 *     timestamp = date ( "T" / " " ) time zone          ; RFC 3339, letters in either case
 *     date      = year "-" month "-" day                ; 0001-01-01 to 9999-12-31
 *     time      = hh ":" mm ":" ss [ "." 1*9digit ]     ; no leap second; beyond six digits cut off
 *     zone      = "Z" / ( "+" / "-" ) hh ":" mm
 *
 * The zone is required: the reference keeps a timestamp without one as it is, and comparing one kind with the other ends it.
 */
import { ProtocolError } from './errors.ts'

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/i

const MICROS_PER_SECOND = 1_000_000n
const MICROS_PER_MINUTE = 60n * MICROS_PER_SECOND

interface ParsedTimestamp {
  readonly micros: bigint
  /** Distance of the written time from UTC. */
  readonly offsetMinutes: number
}

/** Microseconds since 1970. @throws ProtocolError, also for a timestamp without a zone */
export function parseTimestamp(text: string, path = 'timestamp'): bigint {
  return parse(text, path).micros
}

/** UTC with `Z`; six digits of fraction, or none when it is zero: `2026-11-23T08:40:55.012000Z`. */
export function formatTimestamp(micros: bigint): string {
  return `${format(micros)}Z`
}

/** A timestamp as the reference prints it after reading it: same zone, six digits of fraction or none. @throws ProtocolError */
export function canonicalTimestamp(text: string, path = 'timestamp'): string {
  const { micros, offsetMinutes } = parse(text, path)
  if (offsetMinutes === 0) return formatTimestamp(micros)
  const distance = Math.abs(offsetMinutes)
  const zone = `${offsetMinutes < 0 ? '-' : '+'}${pad(Math.trunc(distance / 60))}:${pad(distance % 60)}`
  return `${format(micros + BigInt(offsetMinutes) * MICROS_PER_MINUTE)}${zone}`
}

/** Negative when `a` is older than `b`, 0 when they are the same moment. @throws ProtocolError */
export function compareTimestamps(a: string, b: string): number {
  const difference = parseTimestamp(a) - parseTimestamp(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

/** The wall clock, in microseconds (it ticks in milliseconds). */
export function microsOf(date: Date): bigint {
  return BigInt(date.getTime()) * 1000n
}

function parse(text: string, path: string): ParsedTimestamp {
  const match = TIMESTAMP.exec(text)
  if (match === null)
    throw new ProtocolError(path, `${shown(text)} is no timestamp (expected 2026-01-31T12:00:00.000001Z)`)
  const [, year, month, day, hour, minute, second, fraction = '', zone] = match
  if (zone === undefined) throw new ProtocolError(path, `${shown(text)} has no time zone (add Z for UTC)`)
  const time = [year, month, day, hour, minute, second].map(Number) as [number, number, number, number, number, number]
  const date = new Date(0)
  date.setUTCFullYear(time[0], time[1] - 1, time[2])
  date.setUTCHours(time[3], time[4], time[5])
  // Date carries 30 February over into March; nothing may have moved.
  const carried = date.getUTCMonth() !== time[1] - 1 || date.getUTCDate() !== time[2]
  if (carried || time[0] === 0 || time[3] > 23 || time[4] > 59 || time[5] > 59) {
    throw new ProtocolError(path, `${shown(text)} is no date and time that exists`)
  }
  const offsetMinutes = offsetOf(zone)
  if (Math.abs(offsetMinutes) >= 24 * 60)
    throw new ProtocolError(path, `${shown(text)} has a time zone that does not exist`)
  const micros = BigInt(date.getTime()) * 1000n + BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  return { micros: micros - BigInt(offsetMinutes) * MICROS_PER_MINUTE, offsetMinutes }
}

function offsetOf(zone: string): number {
  if (zone.length === 1) return 0
  const [hours = 0, minutes = 0] = zone.slice(1).split(':').map(Number)
  if (minutes > 59) return Number.POSITIVE_INFINITY
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

function format(micros: bigint): string {
  const fraction = ((micros % MICROS_PER_SECOND) + MICROS_PER_SECOND) % MICROS_PER_SECOND
  const date = new Date(Number((micros - fraction) / 1000n))
  const year = date.getUTCFullYear()
  if (Number.isNaN(year) || year < 1 || year > 9999)
    throw new ProtocolError('timestamp', `${micros} µs is outside the years 1 to 9999`)
  const days = `${String(year).padStart(4, '0')}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}`
  const time = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`
  return `${days}T${time}${fraction === 0n ? '' : `.${String(fraction).padStart(6, '0')}`}`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 60))
}
