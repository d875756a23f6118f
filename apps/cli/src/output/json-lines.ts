import { escapeUnprintable } from './printable.ts'

/**
 * JSON text with a line per member for a terminal, changing nothing but the whitespace between tokens: `1.0`, long integers and escapes
 * stay as they were received, which `JSON.stringify(JSON.parse(text))` would not keep. What a terminal must not see is escaped the JSON way.
 */
export const indentJson = (text: string): string => {
  let out = ''
  let depth = 0
  let opened = false
  for (const [token] of text.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']'
    if (closes) depth -= 1
    // An empty object or array stays on its line.
    if (closes ? !opened : opened) out += newline(depth)
    opened = token === '{' || token === '['
    if (opened) depth += 1
    if (token === ',') out += `,${newline(depth)}`
    else if (token === ':') out += ': '
    else out += escapeUnprintable(token, jsonEscape)
  }
  return out
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu
const newline = (depth: number): string => `\n${'  '.repeat(Math.max(depth, 0))}`

const jsonEscape = (character: string): string => {
  let escaped = ''
  for (let unit = 0; unit < character.length; unit += 1) {
    escaped += `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`
  }
  return escaped
}
