import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { contentsOf, parseContents, sha256Contents, storedContents } from './contents.ts'
import { strictJsonValue } from './json-value.ts'

/** An object with this name in front of `more` others: V8 reads names by what it learned from other objects of the same size. */
const withName = (name: string, more: number): string =>
  `{"${name}":1${Array.from({ length: more }, (_, index) => `,"p${index}":1`).join('')}}`

/** Names that begin alike as written: one that V8 learns, and one that it then takes for the same. */
const ALIKE = [
  [String.raw`\\`, String.raw`\n`],
  [String.raw`\\`, String.raw`\u0000`],
  [String.raw`\\u`, String.raw`\u0041b`],
] as const
const SIZES = Array.from({ length: 40 }, (_, more) => more)

describe('names with escapes', () => {
  it('are what they say, whatever was read before', () => {
    for (const [learned, name] of ALIKE) {
      for (const more of SIZES) {
        JSON.parse(withName(learned, more))
        const text = withName(name, more)
        const said = JSON.parse(`"${name}"`) as string
        expect(Object.keys(parseContents(text).value)).toContain(said)
        expect(Object.keys(storedContents(text).value)).toContain(said)
        expect(
          Object.keys(
            parseContents(`{"list":[{"deeper":[${text}]}]}`).value['list']?.[0 as never]?.['deeper']?.[0] ?? {},
          ),
        ).toContain(said)
      }
    }
  })

  it('do not change what contents hash to', () => {
    const [learned, name] = [String.raw`\\`, String.raw`\n`]
    for (const more of SIZES) {
      const own = Object.fromEntries([
        ['\n', 1],
        ...Array.from({ length: more }, (_, index) => [`p${index}`, 1] as const),
      ])
      const expected = sha256Contents(contentsOf(own).value)
      JSON.parse(withName(learned, more))
      expect(sha256Contents(parseContents(withName(name, more)).value)).toBe(expected)
    }
  })

  it('are read as JSON.parse reads text without them', () => {
    const noBackslash = fc
      .string({ unit: 'binary' })
      .map((text) => text.replaceAll(/[\\"\u0000-\u001f]|[\ud800-\udfff]/gu, '-'))
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(null, true, false),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('any')),
      object: fc.dictionary(fc.oneof(noBackslash, fc.constantFrom('__proto__', '', '0', 'toString')), tie('any')),
    })).any
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 2), (input, space) => {
        const text = JSON.stringify(input, undefined, space)
        expect(strictJsonValue(text)).toEqual(JSON.parse(text))
        expect(JSON.stringify(strictJsonValue(text))).toBe(JSON.stringify(JSON.parse(text)))
      }),
      { numRuns: 2000 },
    )
  })
})
