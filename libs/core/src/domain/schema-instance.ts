import 'reflect-metadata'
import { plainToInstance } from 'class-transformer'
import type { SchemaClass } from './schema-registry.ts'

/** class-transformer leaves them out, and takes a nested `constructor` for the class to make. */
const UNUSABLE_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor'])

/** An instance of the schema's class with the fields of a plain object, unknown ones included, save those of unusable names. */
export function instanceOf<T extends object>(schema: SchemaClass<T>, plain: object): T {
  return plainToInstance(schema as new () => T, usable(plain) as object)
}

/** Paths of fields whose names no schema's object can have. */
export function unusableFields(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => unusableFields(item, `${path}[${index}]`))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) => {
    const memberPath = path === '' ? name : `${path}.${name}`
    return UNUSABLE_NAMES.has(name) ? [memberPath] : unusableFields(member, memberPath)
  })
}

function usable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(usable)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !UNUSABLE_NAMES.has(name))
      .map(([name, member]) => [name, usable(member)]),
  )
}

/** Instances (a nested schema class, a Date) are left as they are. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
