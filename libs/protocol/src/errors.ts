/**
 * Two families of errors. A `ProtocolError` is ours to read: input that is not what the protocol says. A `WireError` is what
 * another node is told, one of the four answers the protocol has for a refused envelope.
 */

/** What is wrong with an input: not JSON at all, JSON of the wrong shape, nested too deep to be passed on, or more than is taken at once. */
export type ProtocolErrorCode = 'not_json' | 'malformed' | 'too_deep' | 'too_many'

/** Malformed input. `path` names the field, as in `payload.events[3].manifest.timestamp`; empty for the whole. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly path: string
  readonly problem: string

  constructor(path: string, problem: string, options: { code?: ProtocolErrorCode; cause?: unknown } = {}) {
    super(
      path === '' ? problem : `${path}: ${problem}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = options.code ?? 'malformed'
    this.path = path
    this.problem = problem
  }
}

/** The reasons for which an envelope is refused, in the order in which they are checked (koi-net 2.1.0, `ErrorType`). */
export const WIRE_ERROR_CODES = ['unknown_node', 'invalid_key', 'invalid_signature', 'invalid_target'] as const

export type WireErrorCode = (typeof WIRE_ERROR_CODES)[number]

/** A refused envelope: answered with status 400 and `errorResponseText(code)`. The message is for our log alone. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireErrorCode

  constructor(code: WireErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export function isWireErrorCode(value: unknown): value is WireErrorCode {
  return WIRE_ERROR_CODES.some((code) => code === value)
}

/** The body of a 400: bare and unsigned. */
export function errorResponseText(code: WireErrorCode): string {
  return `{"type":"error_response","error":"${code}"}`
}

/** The code in the body of another node's 400, or nothing when the body is something else. */
export function parseErrorResponse(text: string): WireErrorCode | undefined {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body !== 'object' || body === null || !('error' in body)) return undefined
    // The reference lets `type` fall back to its default, so its absence says nothing.
    if ('type' in body && body.type !== 'error_response') return undefined
    return isWireErrorCode(body.error) ? body.error : undefined
  } catch {
    return undefined
  }
}
