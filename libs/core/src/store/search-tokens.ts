/**
 * Text to search tokens, the same in every store so that each finds the same.
 *
 *     token = 1*64( letter / digit / mark )      ; code points; what is longer is cut off
 *           / CJK CJK / CJK                      ; Han, Hiragana, Katakana: overlapping pairs, and the last one alone
 *
 * Folded away: case (`ß` and `ẞ` are `ss`, `İ`, `ı` and `I` are `i`, `ς` is `σ`), compatibility forms (`ﬁ`, full and half width, `²`),
 * accents and vowel points of Latin, Greek, Cyrillic, Hebrew and Arabic (`é` is `e`, `й` is `и`), soft hyphens and joiners.
 * Kept: letters that Unicode does not decompose (`ø`, `ł`, `æ`), and the marks of other scripts, which are letters in all but name.
 */

/** In code points. */
const MAX_TOKEN_LENGTH = 64
/** Tokens of one text; for a document, of its RID and contents together. */
export const MAX_TOKENS = 10_000
/** UTF-16 units of one text that are looked at. */
export const MAX_SEARCHED_LENGTH = 262_144
/** Terms of a query; the rest of it is left out. */
const MAX_QUERY_TERMS = 32

/** What a document must have: the token, or for a prefix any token that begins with it. */
export interface SearchTerm {
  readonly token: string
  readonly prefix: boolean
}

const ACCENTS =
  /[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]/g
const INVISIBLE = /[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]/g
const NOT_ASCII = /[^ -~]/
const CJK = '\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}'
/** Runs of CJK in the first group, other runs whole; both of letters, numbers and marks alone. */
const RUNS = new RegExp(`((?:(?=[${CJK}])[\\p{L}\\p{N}\\p{M}])+)|(?:(?![${CJK}])[\\p{L}\\p{N}\\p{M}])+`, 'gu')

/** The tokens of a document's text, in order, repetitions included. */
export function searchTokens(text: string, limit = MAX_TOKENS): string[] {
  if (!NOT_ASCII.test(text)) return asciiTokens(text).slice(0, limit)
  const tokens: string[] = []
  for (const { run, cjk } of runsOf(text)) {
    if (tokens.length >= limit) break
    if (cjk) tokens.push(...pairs(run), ...run.slice(-1))
    else tokens.push(run.join(''))
  }
  return tokens.slice(0, limit)
}

/** Most text has nothing to fold but case. */
function asciiTokens(text: string): string[] {
  const runs =
    text
      .slice(0, MAX_SEARCHED_LENGTH)
      .toLowerCase()
      .match(/[0-9a-z]+/g) ?? []
  return runs.map((run) => run.slice(0, MAX_TOKEN_LENGTH))
}

/** The terms of a query, all of which must match. The last one, and a single CJK character, also match as a prefix. */
export function searchTerms(query: string): SearchTerm[] {
  const terms = new Map<string, SearchTerm>()
  const runs = [...runsOf(query)]
  runs.forEach(({ run, cjk }, index) => {
    if (cjk && run.length > 1) for (const token of pairs(run)) terms.set(token, { token, prefix: false })
    else {
      const token = run.join('')
      terms.set(token, { token, prefix: cjk || index === runs.length - 1 })
    }
  })
  return [...terms.values()].slice(0, MAX_QUERY_TERMS)
}

/** Case, accents and compatibility forms folded. */
export function foldText(text: string): string {
  if (!NOT_ASCII.test(text)) return text.toLowerCase()
  const plain = text.normalize('NFKD').replace(ACCENTS, '').replace(INVISIBLE, '')
  // Down, up and down again, for ẞ, ß and ı; NFC puts Hangul syllables and voiced kana together again.
  return plain.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFC')
}

function* runsOf(text: string): Generator<{ run: string[]; cjk: boolean }> {
  for (const match of foldText(text.slice(0, MAX_SEARCHED_LENGTH)).matchAll(RUNS)) {
    const cjk = match[1] !== undefined
    // A token's units are at most twice its code points, so no long run is taken apart in vain.
    const run = cjk ? [...match[0]] : [...match[0].slice(0, 2 * MAX_TOKEN_LENGTH)].slice(0, MAX_TOKEN_LENGTH)
    yield { run, cjk }
  }
}

function pairs(run: readonly string[]): string[] {
  return run.slice(1).map((second, index) => `${run[index]}${second}`)
}
