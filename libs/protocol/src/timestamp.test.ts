import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import { canonicalTimestamp, compareTimestamps, formatTimestamp, microsOf, parseTimestamp } from './timestamp.ts'

const timestamps = vectors<{ text: string; printed?: string; refused?: true }[]>('timestamps')
const YEAR_1 = parseTimestamp('0001-01-01T00:00:00Z')
const YEAR_9999 = parseTimestamp('9999-12-31T23:59:59.999999Z')

describe('timestamps', () => {
  it.each(timestamps.filter((vector) => 'printed' in vector))(
    '$text is printed as $printed [MAN-3]',
    ({ text, printed }) => {
      expect(canonicalTimestamp(text)).toBe(printed)
    },
  )

  it.each(timestamps.filter((vector) => 'refused' in vector))('$text is refused as by the reference', ({ text }) => {
    expect(() => parseTimestamp(text)).toThrow()
  })

  it('need a zone [MAN-4]', () => {
    expect(() => parseTimestamp('2026-01-01T00:00:00')).toThrow(
      'timestamp: "2026-01-01T00:00:00" has no time zone (add Z for UTC)',
    )
  })

  it('survive being printed and read, to the microsecond [MAN-3]', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: YEAR_1, max: YEAR_9999 }), (micros) => {
        const text = formatTimestamp(micros)
        expect(parseTimestamp(text)).toBe(micros)
        expect(canonicalTimestamp(text)).toBe(text)
      }),
    )
  })

  it('know which is newer, across zones', () => {
    expect(compareTimestamps('2026-01-01T02:00:00+02:00', '2026-01-01T00:00:00Z')).toBe(0)
    expect(compareTimestamps('2026-01-01T00:00:00.000001Z', '2026-01-01T00:00:00Z')).toBe(1)
    expect(compareTimestamps('1969-12-31T23:59:59.999999Z', '1970-01-01T00:00:00Z')).toBe(-1)
  })

  it('come from a Date, and stay within the years that the reference knows', () => {
    expect(formatTimestamp(microsOf(new Date('2026-11-23T08:40:55.012Z')))).toBe('2026-11-23T08:40:55.012000Z')
    expect(() => formatTimestamp(YEAR_9999 + 1n)).toThrow(/outside the years 1 to 9999/)
    expect(() => formatTimestamp(YEAR_1 - 1n)).toThrow(/outside the years 1 to 9999/)
  })
})
