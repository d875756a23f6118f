import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'

import { ProtocolError } from './errors.ts'
import { membersOf, sound } from './fields.ts'
import { printJson } from './json-print.ts'
import { MAX_JSON_DEPTH, parseJson, scanJson } from './json-text.ts'
import type { JsonNode, JsonObject, JsonValue } from './json-text.ts'
import { hasMoreValues } from './json-tokens.ts'

/** A bundle's contents: their JSON text, which is signed, stored and served on, and what it says. Contents are always an object. */
export interface Contents {
  readonly text: string
  /** Parsed on first use. Numbers beyond a double's precision and the order of integer-like keys stand in the text alone. */
  readonly value: JsonObject
}

/** Around contents stand envelope, payload, list and item; more than this and the reference cannot read the envelope. */
export const MAX_CONTENTS_DEPTH = MAX_JSON_DEPTH - 4

/**
 * Strings, numbers, lists and objects in the contents of one bundle, at any depth: whoever looks at them parses them in one go (adapters, search,
 * the MCP gateway), and this is what that costs at most.
 */
export const MAX_CONTENTS_VALUES = 100_000
/** Of their text, in UTF-16 units: what is written and read in one go. */
export const MAX_CONTENTS_LENGTH = 4 * 1024 * 1024

/**
 * Our own object as contents. Later changes to the object change nothing here.
 *
 * @throws ProtocolError for what JSON or the protocol cannot carry (NaN, half surrogate pairs, nesting above
 *   `MAX_CONTENTS_DEPTH`), with the path to it, and for more than `MAX_CONTENTS_VALUES` or `MAX_CONTENTS_LENGTH`
 */
export function contentsOf(value: object): Contents {
  const text = printJson(value, MAX_CONTENTS_DEPTH, 'contents')
  if (!text.startsWith('{')) throw new ProtocolError('contents', 'must be an object')
  checkSize(text, 'contents')
  return storedContents(text)
}

/** Contents from JSON text of unknown origin, such as a file or a request of our own API. @throws ProtocolError */
export function parseContents(text: string): Contents {
  return contentsFromNode(parseJson(text, { maxDepth: MAX_CONTENTS_DEPTH }), 'contents')
}

/** Contents out of a parsed message. @throws ProtocolError */
export function contentsFromNode(node: JsonNode, path: string): Contents {
  membersOf(node, path)
  sound(node, path)
  checkSize(node.text, path)
  return { text: node.text, value: node.value as JsonObject }
}

function checkSize(text: string, path: string): void {
  if (text.length > MAX_CONTENTS_LENGTH)
    throw new ProtocolError(path, `are longer than ${MAX_CONTENTS_LENGTH} characters`, { code: 'too_many' })
  if (hasMoreValues(text, MAX_CONTENTS_VALUES))
    throw new ProtocolError(path, `hold more than ${MAX_CONTENTS_VALUES} JSON values`, { code: 'too_many' })
}

/** Contents whose text this library has made or checked before, as read back from a store: nothing is checked again. */
export function storedContents(text: string): Contents {
  let value: JsonObject | undefined
  return {
    text,
    get value() {
      value ??= (text.includes('\\') ? scanJson(text).node.value : JSON.parse(text)) as JsonObject
      return value
    },
  }
}

/** SHA-256, in hex, of the RFC 8785 form; integers are hashed as doubles (rid-lib, `sha256_hash_json`). */
export function sha256Contents(contents: JsonValue): string {
  const canonical = canonicalize(contents)
  if (canonical === undefined) throw new ProtocolError('contents', 'cannot be hashed: no JSON')
  return createHash('sha256').update(canonical, 'utf8').digest('hex')
}
