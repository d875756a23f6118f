import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { printJson } from './json-print.ts'
import { scanJson } from './json-text.ts'

const print = (value: unknown) => printJson(value, 196, 'contents')

describe('printing our own objects', () => {
  it('says what JSON.stringify says, in the form that the reference prints again [ENV-3]', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, depthSize: 'small', stringUnit: 'binary' }), (value) => {
        const text = print(value)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
        expect(scanJson(text).canonical).toBe(true)
      }),
    )
  })

  it('calls toJSON, leaves out what is undefined, prints bigints whole', () => {
    const value = { at: new Date(0), none: undefined, list: [undefined, () => 1], big: 2n ** 70n, boxed: Object('x') }
    expect(print(value)).toBe(
      '{"at":"1970-01-01T00:00:00.000Z","list":[null,null],"big":1180591620717411303424,"boxed":"x"}',
    )
  })

  it('keeps __proto__ as a name like any other', () => {
    expect(print(JSON.parse('{"__proto__":{"a":1},"b":2}'))).toBe('{"__proto__":{"a":1},"b":2}')
  })

  const cycle: Record<string, unknown> = {}
  cycle['self'] = cycle
  it.each([
    [{ rows: [1, Number.NaN] }, 'contents.rows[1]: NaN is no number that JSON can carry'],
    [{ a: -Infinity }, 'contents.a: -Infinity is no number that JSON can carry'],
    [{ a: 10n ** 400n }, 'contents.a: the integer is above 1.8e308 and cannot be hashed'],
    [{ a: '\ud800' }, 'contents.a: has half a surrogate pair, which no JSON in UTF-8 can carry'],
    [() => 1, 'contents: function cannot be written as JSON'],
  ])('refuses what JSON cannot carry: %#', (value, message) => {
    expect(() => print(value)).toThrow(message)
  })

  it('refuses a cycle as too deep', () => {
    expect(() => print(cycle)).toThrow(/is nested too deep \(or contains itself\)$/)
  })
})
