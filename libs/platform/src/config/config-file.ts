import { LineCounter, parseDocument } from 'yaml'
import { isTree } from './plain-tree.ts'
import type { PlainTree } from './plain-tree.ts'

/**
 * The tree in a configuration file, JSON or YAML 1.2 by its content. Throws an `Error` that tells the line but none of the text, which may
 * hold secrets.
 */
export function parseConfigFile(text: string): PlainTree {
  const value = parseJson(text) ?? parseYaml(text)
  if (value === null || value === undefined) return {}
  if (!isTree(value)) throw new Error('must hold an object with sections such as node and network')
  return value
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON; YAML's parser then tells the line of what is wrong.
    return undefined
  }
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    throw new Error(`is neither JSON nor YAML: ${error.code} at line ${line}, column ${col}`)
  }
  return document.toJS({ maxAliasCount: 100 })
}
