import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import { floatText, numberText, ownNumberText } from './json-number.ts'

const floats = vectors<[string, string][]>('floats')

describe('numbers', () => {
  it('print as the reference prints its floats [ENV-3]', () => {
    for (const [number, printed] of floats) {
      expect(floatText(Number(number))).toBe(printed)
    }
    expect(floats.length).toBeGreaterThan(600)
  })

  it.each([
    ['1E5', '100000.0'],
    ['-0', '0'],
    ['-0.0', '-0.0'],
    ['0e9', '0.0'],
    ['12345678901234567890', '12345678901234567890'],
    ['0.0000015', '1.5e-6'],
    ['1e16', '1e+16'],
    ['9999999999999998.0', '9999999999999998.0'],
    ['1e-324', '0.0'],
  ])('%s is printed again as %s', (token, printed) => {
    expect(numberText(token)).toBe(printed)
  })

  it.each([
    [0, '0'],
    [-0, '0'],
    [1, '1'],
    [1e20, '100000000000000000000'],
    [1e21, '1e+21'],
    [0.000001, '1e-6'],
    [1.5, '1.5'],
  ])('our own %d is written as %s', (number, text) => {
    expect(ownNumberText(number)).toBe(text)
  })

  it('read back as the same double, and print the same the second time', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(Number(floatText(number))).toBe(number)
        expect(numberText(floatText(number))).toBe(floatText(number))
        expect(numberText(ownNumberText(number))).toBe(ownNumberText(number))
      }),
      { numRuns: 5000 },
    )
  })
})
