import { validateSync } from 'class-validator'
import type { ValidatorOptions } from 'class-validator'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { Rid, RidType } from '@koi-mcp/protocol'
import { instanceOf, unusableFields } from './schema-instance.ts'
import { problemsOf, SchemaError } from './schema-problems.ts'

/** A class whose fields carry class-validator decorators. Its constructor can be called without arguments. */
export type SchemaClass<T extends object = object> = new (...args: never[]) => T

export interface SchemaDefinition<T extends object = object> {
  readonly schema: SchemaClass<T>
  /** The type of RID whose contents have this schema. */
  readonly ridType?: RidType
  /** Under which RID an instance is published; absent, it is published by `{rid, contents}` only. */
  ridOf?(object: T): Rid
}

/** A schema with what belongs to it, or its class alone. */
export type SchemaRegistration = SchemaDefinition | SchemaClass

export interface TransformerRegistration<S extends object = object, T extends object = object> {
  readonly source: SchemaClass<S>
  readonly target: SchemaClass<T>
  transform(this: void, source: S): T
}

/** An open world: what a schema does not name is kept and is no error. */
const OPEN: ValidatorOptions = { forbidUnknownValues: false, validationError: { target: false } }

/** The schemas of a node's domains, by the names of their classes: validation, RIDs, and transformation into one another. */
export class SchemaRegistry {
  readonly #definitions = new Map<string, SchemaDefinition>()
  readonly #byRidType = new Map<string, SchemaDefinition>()
  readonly #transformers = new Map<string, Map<string, (source: never) => object>>()

  get names(): readonly string[] {
    return [...this.#definitions.keys()]
  }

  /** @throws Error when another class has the name, or another schema the RID type */
  registerSchema(registration: SchemaRegistration): void {
    const definition = typeof registration === 'function' ? { schema: registration } : registration
    const { schema, ridType } = definition
    const known = this.#definitions.get(schema.name)
    if (known !== undefined) {
      throw new Error(`two schemas are named ${schema.name}; rename one of the classes, or register it once`)
    }
    const rival = ridType && this.#byRidType.get(ridType.name)
    if (ridType !== undefined && rival !== undefined) {
      throw new Error(`${ridType.name} already has the schema ${rival.schema.name}; it cannot have ${schema.name} too`)
    }
    this.#definitions.set(schema.name, definition)
    if (ridType !== undefined) this.#byRidType.set(ridType.name, definition)
  }

  /** The definition of that name. @throws Error naming those that exist */
  definition(name: string): SchemaDefinition {
    const found = this.#definitions.get(name)
    if (found !== undefined) return found
    throw new Error(`no schema is named ${name}; there are: ${listed(this.names)}`)
  }

  definitionFor(ridType: string): SchemaDefinition | undefined {
    return this.#byRidType.get(ridType)
  }

  /**
   * A plain object (or an instance) as a checked instance of the schema, by name or class. Fields that the schema does not name are kept.
   * @throws SchemaError with every problem
   */
  validate<T extends object>(schema: SchemaClass<T>, plain: unknown): T
  validate(schema: string, plain: unknown): object
  validate(schema: string | SchemaClass, plain: unknown): object {
    const cls = typeof schema === 'string' ? this.definition(schema).schema : schema
    return check(cls, plain, (object) =>
      unusableFields(object).map((path) => `${path} is a name that a field cannot have; rename it`),
    )
  }

  /** Checks contents against the schema of their RID's type, if there is one. @throws SchemaError with every problem */
  validateContents(rid: Rid, contents: object): void {
    const definition = this.definitionFor(ridTypeOf(rid))
    if (definition !== undefined) check(definition.schema, contents)
  }

  /**
   * The RID under which an object is published: of an instance, or of an object of the schema named.
   * @throws Error when the schema is not known, or says nothing about RIDs
   */
  ridFor(object: object): Rid
  ridFor(schema: string | SchemaClass, object: object): Rid
  ridFor(first: string | object, second?: object): Rid {
    const object = second ?? (first as object)
    const definition = second === undefined ? this.#definitionOf(object) : this.definition(nameOf(first))
    if (definition.ridOf !== undefined) return definition.ridOf(object)
    const { name } = definition.schema
    throw new Error(`${name} does not say its RID: give its registration a ridOf, or publish {rid, contents}`)
  }

  /** @throws Error when there is one for the pair already */
  registerTransformer<S extends object, T extends object>(
    source: SchemaClass<S>,
    target: SchemaClass<T>,
    transform: (source: S) => T,
  ): void {
    const targets = this.#transformers.get(source.name) ?? new Map<string, (source: never) => object>()
    if (targets.has(target.name)) {
      throw new Error(`there is a transformer from ${source.name} to ${target.name} already`)
    }
    this.#transformers.set(source.name, targets.set(target.name, transform))
  }

  /** An instance of one schema as one of another. @throws Error naming the transformers that exist */
  transform<T extends object>(source: object, target: SchemaClass<T>): T
  transform(source: object, target: string): object
  transform(source: object, target: string | SchemaClass): object {
    const from = source.constructor.name
    const to = nameOf(target)
    const transform = this.#transformers.get(from)?.get(to)
    if (transform !== undefined) return transform(source as never)
    const existing = [...this.#transformers].flatMap(([s, targets]) => [...targets.keys()].map((t) => `${s} to ${t}`))
    throw new Error(`no transformer from ${from} to ${to}; there are: ${listed(existing)}`)
  }

  #definitionOf(object: object): SchemaDefinition {
    const { constructor } = object
    const found = typeof constructor === 'function' ? this.#definitions.get(constructor.name) : undefined
    if (found !== undefined && object instanceof found.schema) return found
    throw new Error(
      `is no instance of a known schema (${listed(this.names)}): publish one, or {schema, object}, or {rid, contents}`,
    )
  }
}

function check(schema: SchemaClass, plain: unknown, before: (plain: object) => string[] = () => []): object {
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) {
    throw new SchemaError(schema.name, ['must be an object'])
  }
  let instance: object
  let problems: string[]
  try {
    problems = before(plain)
    instance = instanceOf(schema, plain)
    problems.push(...problemsOf(validateSync(instance, OPEN)))
  } catch (cause) {
    throw new SchemaError(schema.name, [`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`], {
      cause,
    })
  }
  if (problems.length > 0) throw new SchemaError(schema.name, problems)
  return instance
}

function nameOf(schema: unknown): string {
  return typeof schema === 'string' ? schema : (schema as SchemaClass).name
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}
