/**
 * JSON whose text matters. A signature covers text, and `1.0`, `12345678901234567890`, or the order of keys that look like
 * integers do not survive `JSON.parse`; so every part of a parsed text keeps the exact span it came from.
 *
 * `JSON.parse` checks the grammar (RFC 8259) and makes the values; the scanner then walks the same text for the spans, and for
 * what the grammar allows and the protocol does not: see `JsonDefect`.
 */
import { ProtocolError } from './errors.ts'
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  endOfScalar,
  endOfString,
  hasMoreValues,
  isReferenceNumber,
  isSpace,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  referenceText,
} from './json-tokens.ts'
import { strictJsonValue } from './json-value.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** The nesting that the reference can read (its JSON parser stops above it): brackets within brackets, the outermost included. */
export const MAX_JSON_DEPTH = 200

/**
 * Sound JSON that may not be passed on: a name given twice (readers differ on which one counts), half a surrogate pair, a
 * number beyond a double (it has no hash), or nesting beyond the limit.
 */
export interface JsonDefect {
  readonly problem: string
  readonly code: 'malformed' | 'too_deep'
}

/** A part of a JSON text. Parts below `SPAN_DEPTH` have no nodes of their own; their text is within their parent's. */
export interface JsonNode {
  readonly text: string
  readonly value: JsonValue
  /** Of an object: its members by name, in the order received. */
  readonly members?: ReadonlyMap<string, JsonNode>
  /** Of an array. */
  readonly items?: readonly JsonNode[]
  /** The first defect of this part itself: of an object, its names. */
  readonly ownDefect?: JsonDefect
  /** The first defect of this part or of anything below it. */
  readonly defect?: JsonDefect
}

/** envelope > payload > events > event > manifest > its fields */
const SPAN_DEPTH = 5

export interface JsonLimits {
  /** Deepest nesting taken; `MAX_JSON_DEPTH` unless told otherwise. */
  readonly maxDepth?: number
  /** Text with more values (of any kind, at any depth) is refused before it is parsed; any number unless told otherwise. */
  readonly maxValues?: number
}

/** UTF-8 bytes to text; anything that is not UTF-8 is refused, and a byte order mark is not JSON either. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new ProtocolError('', 'is not UTF-8', { code: 'not_json', cause })
  }
}

/** Parses JSON, keeping each part's text exactly as received. `canonical` says whether the reference would print it the same. */
export function scanJson(text: string, limits: JsonLimits = {}): { node: JsonNode; canonical: boolean } {
  if (!text.isWellFormed()) throw new ProtocolError('', 'has half a surrogate pair', { code: 'not_json' })
  if (limits.maxValues !== undefined && hasMoreValues(text, limits.maxValues))
    throw new ProtocolError('', `holds more than ${limits.maxValues} JSON values`, { code: 'too_many' })
  let value: JsonValue
  try {
    value = JSON.parse(text) as JsonValue
  } catch (cause) {
    throw new ProtocolError('', `is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, {
      code: 'not_json',
      cause,
    })
  }
  const maxDepth = limits.maxDepth ?? MAX_JSON_DEPTH
  const scanner = new Scanner(text, maxDepth)
  const node = scanner.scan(value)
  const { canonical, hasEscapedNames } = scanner
  return { node: hasEscapedNames ? new Scanner(text, maxDepth).scan(strictJsonValue(text)) : node, canonical }
}

/** Parses JSON into the form that the reference would print again: its whitespace, escapes and numbers, nothing else changed. */
export function parseJson(text: string, limits: JsonLimits = {}): JsonNode {
  const { node, canonical } = scanJson(text, limits)
  return canonical ? node : scanJson(referenceText(text), limits).node
}

const DUPLICATE: JsonDefect = { problem: 'has the same name twice in one object', code: 'malformed' }
const HALF_PAIR: JsonDefect = { problem: 'has half a surrogate pair', code: 'malformed' }
const OVERFLOW: JsonDefect = { problem: 'has a number above 1.8e308', code: 'malformed' }

/** Walks text that `JSON.parse` has already accepted; it therefore trusts the grammar. */
class Scanner {
  canonical = true
  /** Then the values of `JSON.parse` may not be what the text says. */
  hasEscapedNames = false
  readonly #text: string
  readonly #maxDepth: number
  #at = 0
  /** The first backslash at or behind the last string begun. */
  #backslash = -1

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  scan(value: JsonValue): JsonNode {
    this.#space()
    const node = this.#node(value, 0)
    this.#space()
    return node
  }

  #node(value: JsonValue, depth: number): JsonNode {
    const start = this.#at
    const code = this.#text.charCodeAt(start)
    if (depth < SPAN_DEPTH && depth < this.#maxDepth) {
      if (code === OPEN_OBJECT) return this.#object(value as JsonObject | null, depth)
      if (code === OPEN_ARRAY) return this.#array(value as readonly JsonValue[] | null, depth)
    }
    const defect = this.#skip(depth)
    const text = this.#text.slice(start, this.#at)
    return defect === undefined ? { text, value } : { text, value, ownDefect: defect, defect }
  }

  #object(value: JsonObject | null, depth: number): JsonNode {
    const start = this.#at++
    const members = new Map<string, JsonNode>()
    let ownDefect: JsonDefect | undefined
    let below: JsonDefect | undefined
    this.#space()
    while (this.#text.charCodeAt(this.#at) !== CLOSE_OBJECT) {
      const name = this.#string(true)
      if (!name.isWellFormed()) ownDefect ??= HALF_PAIR
      if (members.has(name)) ownDefect ??= DUPLICATE
      this.#space()
      this.#at++
      this.#space()
      // An own property, `__proto__` included: JSON.parse defines it. (Of a name given twice, the value is the last one's.)
      const node = this.#node(value?.[name] as JsonValue, depth + 1)
      below ??= node.defect
      members.set(name, node)
      this.#nextItem()
    }
    this.#at++
    return withDefects({ text: this.#text.slice(start, this.#at), value, members }, ownDefect, below)
  }

  #array(value: readonly JsonValue[] | null, depth: number): JsonNode {
    const start = this.#at++
    const items: JsonNode[] = []
    let below: JsonDefect | undefined
    this.#space()
    while (this.#text.charCodeAt(this.#at) !== CLOSE_ARRAY) {
      const node = this.#node(value?.[items.length] as JsonValue, depth + 1)
      below ??= node.defect
      items.push(node)
      this.#nextItem()
    }
    this.#at++
    return withDefects({ text: this.#text.slice(start, this.#at), value, items }, undefined, below)
  }

  /** Passes over one value of any depth without recursion, and returns its first defect. */
  #skip(outerDepth: number): JsonDefect | undefined {
    const open: (Set<string> | null)[] = []
    let defect: JsonDefect | undefined
    let nameNext = false
    do {
      const code = this.#text.charCodeAt(this.#at)
      switch (code) {
        case QUOTE: {
          const names = nameNext ? open.at(-1) : null
          const string = this.#string(names != null)
          if (!string.isWellFormed()) defect ??= HALF_PAIR
          if (names != null) {
            if (names.has(string)) defect ??= DUPLICATE
            names.add(string)
          }
          break
        }
        case OPEN_OBJECT:
        case OPEN_ARRAY:
          if (outerDepth + open.length >= this.#maxDepth) {
            defect ??= { problem: `is nested deeper than ${this.#maxDepth} levels`, code: 'too_deep' }
          }
          // Names are of interest while nothing is wrong.
          open.push(code === OPEN_OBJECT && defect === undefined ? new Set() : null)
          nameNext = true
          this.#at++
          break
        case CLOSE_OBJECT:
        case CLOSE_ARRAY:
          open.pop()
          this.#at++
          break
        case COMMA:
          nameNext = true
          this.#at++
          break
        case COLON:
          nameNext = false
          this.#at++
          break
        default:
          if (!this.#scalar()) defect ??= OVERFLOW
      }
      if (open.length > 0) this.#space()
    } while (open.length > 0)
    return defect
  }

  /** Passes over a string and returns what it says; one that is not wanted, and has no escapes, as nothing. */
  #string(wanted: boolean): string {
    const start = this.#at
    this.#at = endOfString(this.#text, start)
    if (this.#backslash < start) this.#backslash = indexOrEnd(this.#text, '\\', start)
    if (this.#backslash >= this.#at) return wanted ? this.#text.slice(start + 1, this.#at - 1) : ''
    if (wanted) this.hasEscapedNames = true
    const token = this.#text.slice(start, this.#at)
    const value = JSON.parse(token) as string
    if (JSON.stringify(value) !== token) this.canonical = false
    return value
  }

  /** Passes over a number, true, false or null; false for a number that no double holds. */
  #scalar(): boolean {
    const start = this.#at
    const first = this.#text.charCodeAt(start)
    this.#at = endOfScalar(this.#text, start)
    // true, false and null begin with a letter.
    if (first >= 0x61) return true
    const token = this.#text.slice(start, this.#at)
    if (!Number.isFinite(Number(token))) return false
    if (!isReferenceNumber(token)) this.canonical = false
    return true
  }

  #nextItem(): void {
    this.#space()
    if (this.#text.charCodeAt(this.#at) !== COMMA) return
    this.#at++
    this.#space()
  }

  #space(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) {
      this.canonical = false
      this.#at++
    }
  }
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const index = text.indexOf(wanted, from)
  return index < 0 ? text.length : index
}

function withDefects(node: JsonNode, ownDefect: JsonDefect | undefined, below: JsonDefect | undefined): JsonNode {
  const defect = ownDefect ?? below
  if (defect === undefined) return node
  return ownDefect === undefined ? { ...node, defect } : { ...node, ownDefect, defect }
}
