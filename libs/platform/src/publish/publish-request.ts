import { decodeUtf8, MAX_CONTENTS_DEPTH, parseJson, ProtocolError } from '@koi-mcp/protocol'
import type { JsonNode } from '@koi-mcp/protocol'
import { RequestError } from '../http/http-errors.ts'

/** The JSON object in a request's body. @throws RequestError 400, naming the field */
export function readJsonObject(body: unknown): Readonly<Record<string, unknown>> {
  return readJson(body).value as Readonly<Record<string, unknown>>
}

function readJson(body: unknown): JsonNode {
  if (!Buffer.isBuffer(body)) throw new RequestError(400, 'The body must be a JSON object; it is empty')
  try {
    const node = parseJson(decodeUtf8(body), { maxDepth: MAX_CONTENTS_DEPTH + 1 })
    if (node.defect !== undefined) throw new RequestError(400, `The body ${node.defect.problem}`)
    if (isObject(node.value)) return node
  } catch (error) {
    if (error instanceof ProtocolError) throw new RequestError(400, `The body ${error.problem}`)
    throw error
  }
  throw new RequestError(400, 'The body must be a JSON object')
}

/**
 * What `POST /publish` takes: `{rid, contents}` (whose text is kept) or `{schema, object}`.
 * @throws RequestError 400, naming the fields
 */
export function readPublication(
  body: unknown,
): { rid: string; contentsText: string } | { schema: string; object: object } {
  const node = readJson(body)
  const request = node.value as Readonly<Record<string, unknown>>
  const [name, value] = 'schema' in request ? (['schema', 'object'] as const) : (['rid', 'contents'] as const)
  const fields = [
    ...(isText(request[name]) ? [] : [{ path: name, message: 'must be text' }]),
    ...(isObject(request[value]) ? [] : [{ path: value, message: 'must be an object' }]),
    ...Object.keys(request)
      .filter((key) => key !== name && key !== value)
      .map((path) => ({ path, message: `is not known beside ${name} and ${value}` })),
  ]
  if (fields.length > 0) throw new RequestError(400, 'The body must be {rid, contents} or {schema, object}', fields)
  if (name === 'rid') return { rid: String(request.rid), contentsText: node.members?.get('contents')?.text ?? '' }
  return { schema: String(request.schema), object: request.object as object }
}

/** The `Idempotency-Key`: a second request with the same key changes nothing and is answered as the first. */
export function readIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header
  const message = 'must be 1 to 255 visible ASCII characters'
  throw new RequestError(400, `The header Idempotency-Key ${message}`, [{ path: 'Idempotency-Key', message }])
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
