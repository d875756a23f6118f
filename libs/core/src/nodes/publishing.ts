import {
  KOI_NET_EDGE,
  KOI_NET_NODE,
  asRid,
  contentsOf,
  parseContents,
  referenceRidProblem,
  REFERENCE_MAX_RID_BYTES,
  ridTypeOf,
} from '@koi-mcp/protocol'
import type { Contents, Rid } from '@koi-mcp/protocol'
import type { SchemaRegistry } from '../domain/schema-registry.ts'

/**
 * What `publish` takes: an instance of a registered schema (its RID follows from the schema), an RID with contents or with their JSON text (`1.0` and
 * integers of any length stay what they are), or the name of a schema with a plain object.
 */
export type Publishable =
  | { readonly rid: string; readonly contents: object }
  | { readonly rid: string; readonly contentsText: string }
  | { readonly schema: string; readonly object: object }
  | object

/** What was to be published is not fit for it; the message names the field and the fix. Nothing was kept. */
export class PublishError extends Error {
  readonly code = 'PUBLISH'
}

/**
 * Checks and completes what is to be published.
 * @throws PublishError, or `SchemaError` with every problem of the object
 */
export function toKnowledge(schemas: SchemaRegistry, input: Publishable): { rid: Rid; contents: Contents } {
  if (isRidWithContents(input)) {
    const rid = checkedRid(input.rid)
    const contents = contentsFor(rid, () =>
      'contentsText' in input ? parseContents(input.contentsText) : contentsOf(input.contents),
    )
    schemas.validateContents(rid, contents.value)
    return { rid, contents }
  }
  const object = isSchemaWithObject(input) ? schemas.validate(input.schema, input.object) : input
  const rid = checkedRid(ridFor(schemas, object))
  schemas.validateContents(rid, object)
  return { rid, contents: contentsFor(rid, () => contentsOf(object)) }
}

/**
 * Checks what is to be forgotten. Any length: what is cached, however it came, can go.
 * @throws PublishError
 */
export function toForget(text: string): Rid {
  const rid = parsedRid(text)
  refuseNetworkTypes(rid, 'forget what it published')
  return rid
}

function ridFor(schemas: SchemaRegistry, object: object): string {
  try {
    return schemas.ridFor(object)
  } catch (error) {
    throw new PublishError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function checkedRid(text: string): Rid {
  const rid = parsedRid(text)
  const bytes = Buffer.byteLength(rid)
  if (bytes > REFERENCE_MAX_RID_BYTES) {
    throw new PublishError(
      `rid: is ${bytes} bytes of UTF-8, and other nodes keep at most ${REFERENCE_MAX_RID_BYTES}; shorten it`,
    )
  }
  const problem = referenceRidProblem(rid)
  if (problem !== undefined)
    throw new PublishError(`rid: ${problem}; other nodes could not take it, publish under another`)
  refuseNetworkTypes(rid, 'publish another type')
  return rid
}

function parsedRid(text: string): Rid {
  try {
    return asRid(text, 'rid')
  } catch (error) {
    throw new PublishError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

function refuseNetworkTypes(rid: Rid, fix: string): void {
  const type = ridTypeOf(rid)
  if (type !== KOI_NET_NODE.name && type !== KOI_NET_EDGE.name) return
  throw new PublishError(`rid: ${type} is kept by the node itself; ${fix}`)
}

function contentsFor(rid: Rid, make: () => Contents): Contents {
  try {
    return make()
  } catch (error) {
    throw new PublishError(`contents of ${rid}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

function isRidWithContents(
  input: object,
): input is { rid: string; contents: object } | { rid: string; contentsText: string } {
  if (!('rid' in input) || typeof input.rid !== 'string') return false
  return 'contentsText' in input
    ? typeof input.contentsText === 'string'
    : 'contents' in input && isObject(input.contents)
}

function isSchemaWithObject(input: object): input is { schema: string; object: object } {
  return 'schema' in input && typeof input.schema === 'string' && 'object' in input && isObject(input.object)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
