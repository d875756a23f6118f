import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { documentTokens, leafTexts, snippetOf } from './search-document.ts'
import { MAX_TOKENS, searchTerms } from './search-tokens.ts'

function leavesOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value === 'number') return [String(value)]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(leavesOf) : []
}

describe('leafTexts', () => {
  it('gives strings and numbers as written, without keys, flags and nulls', () => {
    const text = '{"key" : "a\\"b\\\\", "n":[1.0,-2e-7,12345678901234567890],"o":{"k:":"v:"},"":"","t":true,"x":null}'
    expect([...leafTexts(text)]).toEqual(['a"b\\', '1.0', '-2e-7', '12345678901234567890', 'v:', ''])
  })

  it('gives the leaves of any contents', () => {
    fc.assert(
      fc.property(fc.json({ noUnicodeString: false }), (text) => {
        // Objects are walked in the order of JavaScript, which puts keys that look like integers first.
        const found = [...leafTexts(text)].map((leaf) => (/^-?\d/.test(leaf) ? String(Number(leaf)) : leaf))
        const expected = leavesOf(JSON.parse(text)).map((leaf) => (/^-?\d/.test(leaf) ? String(Number(leaf)) : leaf))
        expect(found.sort()).toEqual(expected.sort())
      }),
    )
  })

  it('stops at its bound', () => {
    const text = JSON.stringify({ a: 'x'.repeat(300_000), b: 'y' })
    expect([...leafTexts(text)].map((leaf) => leaf.length)).toEqual([262_144])
  })
})

describe('documentTokens', () => {
  it('are those of the RID and then of the contents, up to the bound', () => {
    expect(documentTokens('orn:t:Ä', '{"k":["B",{"c":2}]}')).toEqual(['orn', 't', 'a', 'b', '2'])
    const many = JSON.stringify({ list: Array.from({ length: MAX_TOKENS }, (_, index) => index) })
    expect(documentTokens('orn:t:a', many)).toHaveLength(MAX_TOKENS)
  })

  it('stay below a megabyte, also when text grows as it is folded', () => {
    const words = Array.from({ length: MAX_TOKENS }, (_, index) => 'ﵐ'.repeat(20) + String(index).padStart(4, '0'))
    const tokens = documentTokens('orn:t:a', JSON.stringify(words))
    expect(tokens.slice(0, 4)).toEqual(['orn', 't', 'a', `${'تجم'.repeat(20)}0000`])
    const bytes = Buffer.byteLength(tokens.join(''))
    expect([bytes > 500_000, bytes < 1_000_000]).toEqual([true, true])
  })
})

describe('snippetOf', () => {
  const snippet = (contents: unknown, query: string) => snippetOf(JSON.stringify(contents), searchTerms(query))

  it.each<[unknown, string, string]>([
    [{ a: 'first', b: 'The  Müller\nfamily', c: 'after' }, 'MULLER', 'The Müller family · after'],
    [{ a: 'first', b: ['second', 3] }, 'elsewhere', 'first · second · 3'],
    [{ a: `${'x '.repeat(50)}needle` }, 'need', `…${'x '.repeat(30)}needle`],
    [{ a: `${'文'.repeat(100)}東京` }, '東京', `…${'文'.repeat(60)}東京`],
    [{}, 'x', ''],
  ])('of %j for %j', (contents, query, expected) => {
    expect(snippet(contents, query)).toBe(expected)
  })

  it('is at most 200 units of well-formed text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 300 })),
        fc.string({ unit: 'binary' }),
        (contents, query) => {
          const found = snippet(contents, query)
          expect(found.length).toBeLessThanOrEqual(200)
          expect(found.isWellFormed()).toBe(true)
        },
      ),
    )
    expect(snippet({ a: '😀'.repeat(200) }, 'x').isWellFormed()).toBe(true)
    expect(snippet({ a: `a${'😀'.repeat(200)} needle` }, 'needle').isWellFormed()).toBe(true)
  })
})
