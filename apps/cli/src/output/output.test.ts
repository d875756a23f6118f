import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { indentJson } from './json-lines.ts'
import { printable, shortened, shortRid } from './printable.ts'

describe('printable', () => {
  test('escapes what moves the cursor or turns the writing direction, and leaves every script alone', () => {
    expect(printable('a\u001b[2Jb\u202ec\nd\u2028e\ud800')).toBe('a\\u{1b}[2Jb\\u{202e}c\\u{a}d\\u{2028}e\\u{d800}')
    expect(printable('Größe 数据 данные 🪐 50% #1*[x]')).toBe('Größe 数据 данные 🪐 50% #1*[x]')
  })
})

describe('shortened', () => {
  test('keeps both ends within the width, in whole characters', () => {
    expect(shortened('abcdefghij', 10)).toBe('abcdefghij')
    expect(shortened('abcdefghijk', 10)).toBe('abcde…hijk')
    expect(shortened('🪐🪐🪐🪐', 3)).toBe('🪐…🪐')
    expect(shortRid('orn:data-catalog.dataset:data/planets.csv')).toBe('data-catalog.dataset:data/planets.csv')
    expect(shortRid('https://x.org/a?b#c')).toBe('https://x.org/a?b#c')
  })
})

describe('indentJson', () => {
  test('gives each member a line and keeps every token as received', () => {
    expect(indentJson('{"a":1.0,"b":[12345678901234567890,{"c":"x, {y}: \\"z"}],"d":{},"e":[]}')).toBe(
      [
        '{',
        '  "a": 1.0,',
        '  "b": [',
        '    12345678901234567890,',
        '    {',
        '      "c": "x, {y}: \\"z"',
        '    }',
        '  ],',
        '  "d": {},',
        '  "e": []',
        '}',
      ].join('\n'),
    )
  })

  test('agrees with JSON.stringify on every value that JSON.stringify can print', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        expect(JSON.parse(indentJson(text))).toEqual(JSON.parse(text))
        if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text))
          expect(indentJson(text)).toBe(JSON.stringify(value, null, 2))
      }),
    )
  })

  test('escapes what a terminal must not see', () => {
    expect(indentJson('["\u202e\u007f"]')).toBe('[\n  "\\u202e\\u007f"\n]')
  })
})
