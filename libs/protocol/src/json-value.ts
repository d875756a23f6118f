import type { JsonValue } from './json-text.ts'
import {
  COLON,
  COMMA,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  endOfScalar,
  endOfString,
  isSpace,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
} from './json-tokens.ts'

/**
 * What sound JSON text says, read without `JSON.parse`: V8 since 12.8 takes a name written with escapes for one that it met before where the
 * two begin alike (nodejs/node#63785; `"\n"` becomes `"\\"`), so that whoever sends the one name would change how another's contents hash.
 */
export function strictJsonValue(text: string): JsonValue {
  const root: JsonValue[] = []
  const open: (JsonValue[] | Record<string, JsonValue>)[] = [root]
  let name: string | undefined
  let at = 0
  const put = (value: JsonValue): void => {
    const into = open.at(-1) ?? root
    if (Array.isArray(into)) into.push(value)
    else if (name !== '__proto__') into[name ?? ''] = value
    // A name like any other; an assignment would change the prototype.
    else Object.defineProperty(into, name, { value, writable: true, enumerable: true, configurable: true })
    name = undefined
  }
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const end = endOfString(text, at)
      const string = JSON.parse(text.slice(at, end)) as string
      at = end
      if (name === undefined && !Array.isArray(open.at(-1))) name = string
      else put(string)
    } else if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
      const container = code === OPEN_OBJECT ? {} : []
      put(container)
      open.push(container)
      at++
    } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
      open.pop()
      at++
    } else if (code === COMMA || code === COLON || isSpace(code)) {
      at++
    } else {
      const end = endOfScalar(text, at)
      put(JSON.parse(text.slice(at, end)) as JsonValue)
      at = end
    }
  }
  return root[0] ?? null
}
