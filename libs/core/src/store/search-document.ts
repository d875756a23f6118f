import { foldText, MAX_SEARCHED_LENGTH, MAX_TOKENS, searchTokens } from './search-tokens.ts'
import type { SearchTerm } from './search-tokens.ts'

/** The longest snippet, in UTF-16 units. */
const MAX_SNIPPET_LENGTH = 200
/** How much of the snippet stands before the match. */
const LEAD = 60
/** UTF-16 units of a document's tokens together: one megabyte of UTF-8 at most, which every store's index takes. Only text that grows when folded comes near it. */
const MAX_TOKEN_UNITS = 320_000

/**
 * The strings and numbers of a JSON text, in order and without the keys; numbers as written. Bounded: leaves beyond
 * `MAX_SEARCHED_LENGTH` units are left out. The text is one that was parsed before.
 */
export function* leafTexts(json: string): Generator<string> {
  let at = 0
  let left = MAX_SEARCHED_LENGTH
  while (at < json.length && left > 0) {
    const start = at
    const isText = json[at] === '"'
    if (isText) at = stringEnd(json, at)
    else if (isNumberStart(json.charCodeAt(at))) at = numberEnd(json, at)
    else {
      at++
      continue
    }
    if (isText && isKey(json, at)) continue
    const token = json.slice(start, at)
    const leaf = isText ? (token.includes('\\') ? (JSON.parse(token) as string) : token.slice(1, -1)) : token
    yield leaf.slice(0, left)
    left -= leaf.length
  }
}

/** What a bundle is found by: its RID first, then the leaves of its contents. */
export function documentTokens(rid: string, contentsText: string): string[] {
  const tokens = searchTokens(rid)
  let units = tokens.reduce((sum, token) => sum + token.length, 0)
  for (const leaf of leafTexts(contentsText)) {
    if (tokens.length >= MAX_TOKENS) break
    for (const token of searchTokens(leaf, MAX_TOKENS - tokens.length)) {
      units += token.length
      if (units > MAX_TOKEN_UNITS) return tokens
      tokens.push(token)
    }
  }
  return tokens
}

/** The contents from shortly before the first match, or their beginning when only the RID matches. Leaves are parted by ` · `. */
export function snippetOf(contentsText: string, terms: readonly SearchTerm[]): string {
  let head = ''
  let found: string | undefined
  for (const leaf of leafTexts(contentsText)) {
    const text = leaf.replaceAll(/\s+/gu, ' ').trim()
    if (text === '') continue
    if (found === undefined) {
      const at = matchAt(text, terms)
      if (at >= 0) found = at > LEAD ? `…${text.slice(at - LEAD)}` : text
      else if (head.length <= MAX_SNIPPET_LENGTH) head += head === '' ? text : ` · ${text}`
    } else {
      found += ` · ${text}`
    }
    if (found !== undefined && found.length > MAX_SNIPPET_LENGTH) break
  }
  return cut(found ?? head)
}

/** Where the first word that a term matches begins in the unfolded text; -1 without one. */
function matchAt(text: string, terms: readonly SearchTerm[]): number {
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    const tokens = searchTokens(word)
    const hit = tokens.find((token) =>
      terms.some((term) => (term.prefix ? token.startsWith(term.token) : token === term.token)),
    )
    // Scripts without spaces make long words: there the match may stand far within.
    if (hit !== undefined) return index + Math.max(0, foldText(word).indexOf(hit))
  }
  return -1
}

function cut(text: string): string {
  if (text.length <= MAX_SNIPPET_LENGTH) return text.toWellFormed()
  return `${text.slice(0, MAX_SNIPPET_LENGTH - 2)}…`.replace(/[\ud800-\udbff]…$/, '…').replace(/^…[\udc00-\udfff]/, '…')
}

function stringEnd(json: string, start: number): number {
  let end = json.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(json, end)) end = json.indexOf('"', end + 1)
  return end < 0 ? json.length : end + 1
}

function isEscaped(json: string, at: number): boolean {
  let before = at - 1
  while (json[before] === '\\') before--
  return (at - before) % 2 === 0
}

function isNumberStart(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39)
}

function numberEnd(json: string, start: number): number {
  let end = start + 1
  while (end < json.length && '0123456789.eE+-'.includes(json.charAt(end))) end++
  return end
}

function isKey(json: string, after: number): boolean {
  let at = after
  while (/\s/.test(json.charAt(at))) at++
  return json[at] === ':'
}
