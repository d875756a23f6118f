/** Reading typed fields out of parsed JSON; every refusal names the field. */
import { ProtocolError } from './errors.ts'
import type { JsonNode } from './json-text.ts'

export type Members = ReadonlyMap<string, JsonNode>

/** The members of an object whose own names are sound. */
export function membersOf(node: JsonNode, path: string): Members {
  if (node.members === undefined) throw new ProtocolError(path, `must be an object, is ${kindOf(node)}`)
  if (node.ownDefect !== undefined) throw new ProtocolError(path, node.ownDefect.problem, { code: node.ownDefect.code })
  return node.members
}

export function itemsOf(node: JsonNode, path: string): readonly JsonNode[] {
  if (node.items === undefined) throw new ProtocolError(path, `must be an array, is ${kindOf(node)}`)
  return node.items
}

/** Refuses a part with a defect anywhere in it. */
export function sound(node: JsonNode, path: string): JsonNode {
  if (node.defect !== undefined) throw new ProtocolError(path, node.defect.problem, { code: node.defect.code })
  return node
}

/** A field that must be there. */
export function required(members: Members, name: string, path: string): JsonNode {
  const node = members.get(name)
  if (node === undefined) throw new ProtocolError(at(path, name), 'is missing')
  return node
}

/** A field that may be absent; `null` counts as absent, as the reference leaves `None` out of its model fields. */
export function optional(members: Members, name: string): JsonNode | undefined {
  const node = members.get(name)
  return node === undefined || node.value === null ? undefined : node
}

export function stringOf(node: JsonNode, path: string): string {
  if (typeof node.value !== 'string') throw new ProtocolError(path, `must be a string, is ${kindOf(node)}`)
  sound(node, path)
  return node.value
}

/** One of a fixed set of strings. */
export function oneOf<T extends string>(node: JsonNode, allowed: readonly T[], path: string): T {
  const text = stringOf(node, path)
  const found = allowed.find((name) => name === text)
  if (found === undefined)
    throw new ProtocolError(path, `must be ${allowed.join(' or ')}, is ${JSON.stringify(text.slice(0, 40))}`)
  return found
}

export function at(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

function kindOf(node: JsonNode): string {
  if (node.value === null) return 'null'
  if (Array.isArray(node.value)) return 'an array'
  return typeof node.value === 'object' ? 'an object' : `a ${typeof node.value}`
}
