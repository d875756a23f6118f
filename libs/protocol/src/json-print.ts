/**
 * Our own objects as JSON text that the reference prints again unchanged after reading it: compact, non-ASCII unescaped,
 * numbers in its form. What JSON cannot carry is refused, with the path to it, rather than replaced in silence.
 */
import { ProtocolError } from './errors.ts'
import { ownNumberText } from './json-number.ts'

/**
 * Prints a value. Follows `JSON.stringify`: `toJSON` is called, members that are undefined, functions or symbols are left out
 * (and are `null` inside an array). A bigint is printed as an integer of any length.
 *
 * @throws ProtocolError for NaN, infinities, lone surrogates, cycles, and nesting deeper than `maxDepth`
 */
export function printJson(value: unknown, maxDepth: number, path = ''): string {
  const text = print(value, '', path, maxDepth)
  if (text === undefined) throw new ProtocolError(path, `${typeof value} cannot be written as JSON`)
  return text
}

/** A string as JSON, as the reference prints it. */
export function stringText(text: string, path = ''): string {
  if (!text.isWellFormed()) throw new ProtocolError(path, 'has half a surrogate pair, which no JSON in UTF-8 can carry')
  return JSON.stringify(text)
}

function print(input: unknown, key: string, path: string, depthLeft: number): string | undefined {
  const value = hasToJson(input) ? input.toJSON(key) : input
  switch (typeof value) {
    case 'string':
      return stringText(value, path)
    case 'number':
      if (!Number.isFinite(value)) throw new ProtocolError(path, `${value} is no number that JSON can carry`)
      return ownNumberText(value)
    case 'bigint':
      if (!Number.isFinite(Number(value)))
        throw new ProtocolError(path, 'the integer is above 1.8e308 and cannot be hashed')
      return value.toString()
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      return printContainer(value, path, depthLeft)
    case 'undefined':
    case 'function':
    case 'symbol':
      return undefined
  }
}

function printContainer(value: object, path: string, depthLeft: number): string {
  if (depthLeft <= 0) throw new ProtocolError(path, 'is nested too deep (or contains itself)', { code: 'too_deep' })
  if (Array.isArray(value)) {
    const items = Array.from(
      value,
      (item, index) => print(item, String(index), `${path}[${index}]`, depthLeft - 1) ?? 'null',
    )
    return `[${items.join(',')}]`
  }
  // String, Number and Boolean objects print as what they hold.
  if (value instanceof String || value instanceof Number || value instanceof Boolean) {
    return printJson(value.valueOf(), depthLeft, path)
  }
  const members: string[] = []
  for (const [key, member] of Object.entries(value)) {
    const memberPath = path === '' ? key : `${path}.${key}`
    const text = print(member, key, memberPath, depthLeft - 1)
    if (text !== undefined) members.push(`${stringText(key, memberPath)}:${text}`)
  }
  return `{${members.join(',')}}`
}

function hasToJson(value: unknown): value is { toJSON(key: string): unknown } {
  return typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
}
