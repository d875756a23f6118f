import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { foldText, MAX_SEARCHED_LENGTH, MAX_TOKENS, searchTerms, searchTokens } from './search-tokens.ts'

describe('searchTokens', () => {
  it.each<[string, string[]]>([
    ['Planets, of the_Solar-System!', ['planets', 'of', 'the', 'solar', 'system']],
    [
      'orn:data-catalog.dataset:My Files/2024 (1).CSV',
      ['orn', 'data', 'catalog', 'dataset', 'my', 'files', '2024', '1', 'csv'],
    ],
    ['Straße ẞ İstanbul ısı ΟΔΟΣ', ['strasse', 'ss', 'istanbul', 'isi', 'οδοσ']],
    ['Ångström naïve Ёлка й', ['angstrom', 'naive', 'елка', 'и']],
    ['ﬁn Ｆｕｌｌ x² ½', ['fin', 'full', 'x2', '1', '2']],
    ['Øre Łódź æ', ['øre', 'łodz', 'æ']],
    ['co\u00adop\u200bera\u200dte', ['cooperate']],
    ['שָׁלוֹם مُحَمَّد', ['שלום', 'محمد']],
    ['हिन्दी ไทย', ['हिन्दी', 'ไทย']],
    ['서울시 인구', ['서울시', '인구']],
    ['東京都', ['東京', '京都', '都']],
    ['東 カタカナ ｶﾞ が', ['東', 'カタ', 'タカ', 'カナ', 'ナ', 'ガ', 'が']],
    ['2024年version東京', ['2024', '年', 'version', '東京', '京']],
    ['𠀋𠀌', ['𠀋𠀌', '𠀌']],
    ['🚀 -- … "\'', []],
  ])('%j', (text, tokens) => {
    expect(searchTokens(text)).toEqual(tokens)
  })

  it('finds the same in text of ASCII alone as it does beside other text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii', maxLength: 300 }), (text) => {
        expect([...searchTokens(text), 'é'.normalize('NFD').slice(0, 1)]).toEqual(searchTokens(`${text} é`))
      }),
    )
  })

  it('bounds tokens in length and in number, and the text in length', () => {
    expect(searchTokens('x'.repeat(100))).toEqual(['x'.repeat(64)])
    expect(searchTokens('𝔘'.repeat(10) + 'ø'.repeat(100))).toEqual(['u'.repeat(10) + 'ø'.repeat(54)])
    expect(searchTokens('𞤢'.repeat(100))).toEqual(['𞤢'.repeat(64)])
    expect(searchTokens('a '.repeat(MAX_TOKENS + 5))).toHaveLength(MAX_TOKENS)
    expect(searchTokens('東'.repeat(MAX_TOKENS + 5))).toHaveLength(MAX_TOKENS)
    expect(searchTokens('a b c', 2)).toEqual(['a', 'b'])
    expect(searchTokens(`${' '.repeat(MAX_SEARCHED_LENGTH)}late`)).toEqual([])
  })

  it('gives tokens that hold letters, digits and marks alone, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const token of searchTokens(text)) {
          expect(token).toMatch(/^[\p{L}\p{N}\p{M}]+$/u)
          expect([...token].length).toBeLessThanOrEqual(64)
        }
      }),
    )
  })

  it('folds the same whether the text is composed or not', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(foldText(text.normalize('NFD'))).toBe(foldText(text.normalize('NFC')))
      }),
    )
  })
})

describe('searchTerms', () => {
  it('makes a prefix of the last word and of lone CJK characters, and asks for each word once', () => {
    expect(searchTerms('Solar sys solar')).toEqual([
      { token: 'solar', prefix: true },
      { token: 'sys', prefix: false },
    ])
    expect(searchTerms('東 京都市 x')).toEqual([
      { token: '東', prefix: true },
      { token: '京都', prefix: false },
      { token: '都市', prefix: false },
      { token: 'x', prefix: true },
    ])
    expect(searchTerms(' . ')).toEqual([])
    expect(
      searchTerms('a b '.repeat(5) + Array.from({ length: 50 }, (_, index) => `w${index}`).join(' ')),
    ).toHaveLength(32)
  })

  it('finds every text by any part of it that ends with a word', () => {
    const word = fc.oneof(fc.stringMatching(/^[a-zé0-9]{1,8}$/), fc.stringMatching(/^[東京都市かな]{1,5}$/))
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(), (words, from, count) => {
        const tokens = searchTokens(words.join(' '))
        const start = from % words.length
        const query = words.slice(start, start + 1 + (count % words.length)).join(' ')
        for (const { token, prefix } of searchTerms(query)) {
          expect(tokens.some((one) => (prefix ? one.startsWith(token) : one === token))).toBe(true)
        }
      }),
    )
  })
})
