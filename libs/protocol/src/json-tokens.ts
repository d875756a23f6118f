/** The tokens of sound JSON text (RFC 8259), and how the reference prints them again. */
import { numberText } from './json-number.ts'

export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const OPEN_OBJECT = 0x7b
export const CLOSE_OBJECT = 0x7d
export const OPEN_ARRAY = 0x5b
export const CLOSE_ARRAY = 0x5d
const BACKSLASH = 0x5c

export function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** The place behind a string's closing quote, 0 where it has none. `start` is at its opening quote. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end + 1
}

/**
 * Whether JSON text, sound or not, has more values than that: each one but the outermost stands behind a comma or an opening bracket (so an empty
 * list counts for two). Counted before anything is parsed, for it is values, not bytes, that cost time and memory.
 */
export function hasMoreValues(text: string, most: number): boolean {
  if (text.length <= most) return false
  let values = 1
  for (let at = 0; at < text.length && values <= most; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      at = endOfString(text, at) - 1
      // A string without an end: what is behind its opening quote is no value.
      if (at < 0) return false
    } else if (code === COMMA || code === OPEN_OBJECT || code === OPEN_ARRAY) values++
  }
  return values > most
}

/** The place behind a number, `true`, `false` or `null`. */
export function endOfScalar(text: string, start: number): number {
  let at = start
  while (at < text.length && isScalarPart(text.charCodeAt(at))) at++
  return at
}

/** Sound JSON text as the reference prints it after reading it: compact, non-ASCII unescaped, floats in its own form. */
export function referenceText(text: string): string {
  // A loop and not one regular expression: those overflow on a string with millions of escapes.
  const parts: string[] = []
  let copied = 0
  let at = 0
  while (at < text.length) {
    const code = text.charCodeAt(at)
    let end = at + 1
    let printed: string | undefined
    if (code === QUOTE) {
      end = endOfString(text, at)
      const token = text.slice(at, end)
      if (token.includes('\\')) printed = JSON.stringify(JSON.parse(token))
    } else if (isSpace(code)) {
      while (isSpace(text.charCodeAt(end))) end++
      printed = ''
    } else if (isScalarPart(code)) {
      end = endOfScalar(text, at)
      const token = text.slice(at, end)
      // A number that overflows has no text in the reference; it stays, and is reported.
      if (Number.isFinite(Number(token))) printed = numberText(token)
    }
    if (printed !== undefined) {
      parts.push(text.slice(copied, at), printed)
      copied = end
    }
    at = end
  }
  parts.push(text.slice(copied))
  return parts.join('')
}

/** Whether the reference prints a number (as long as it is finite) with the same characters. */
export function isReferenceNumber(token: string): boolean {
  const value = Number(token)
  // Most floats: JavaScript and the reference agree between 1e-5 and 1e16.
  if (token.includes('.') && String(value) === token && Math.abs(value) >= 1e-5) return true
  return numberText(token) === token
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1
  while (text.charCodeAt(before) === BACKSLASH) before--
  return (at - before) % 2 === 0
}

/** A digit, a letter, or one of `+ - .` */
function isScalarPart(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) ||
    (code >= 0x61 && code <= 0x7a) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x2b ||
    code === 0x45
  )
}
