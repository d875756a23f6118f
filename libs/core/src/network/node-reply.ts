import { errorResponseText } from '@koi-mcp/protocol'
import type { ProtocolError, WireErrorCode } from '@koi-mcp/protocol'

/** What a node answers to a request; whoever carries it sends status, content type and body, and then calls `finished`. */
export interface NodeReply {
  readonly status: number
  readonly contentType: 'application/json'
  readonly body: string
  /** Seconds, for the header `Retry-After`; it stands in the body too. */
  readonly retryAfter?: number
  /**
   * To be called once the response is over: `true` when its last byte went out, `false` when the connection broke before. What a poll took from the
   * outbox goes then, or comes back; when this is never called it comes back by itself.
   */
  readonly finished?: (sent: boolean) => Promise<void>
}

export function jsonReply(status: number, body: string): NodeReply {
  return { status, contentType: 'application/json', body }
}

/** The protocol's own refusal: bare and unsigned. */
export function wireErrorReply(code: WireErrorCode): NodeReply {
  return jsonReply(400, errorResponseText(code))
}

/** A refusal with a sentence, as FastAPI words it. */
export function detailReply(status: number, detail: string): NodeReply {
  return jsonReply(status, JSON.stringify({ detail }))
}

/** Malformed input: the field and what is wrong with it, as FastAPI words it. */
export function malformedReply({ path, problem, code }: ProtocolError): NodeReply {
  const loc = ['body', ...path.split(/[.[\]]+/).filter((part) => part !== '')].map((part) =>
    /^\d+$/.test(part) ? Number(part) : part,
  )
  return jsonReply(422, JSON.stringify({ detail: [{ type: code, loc, msg: problem }] }))
}

export function unavailableReply(detail: string, retryAfter: number): NodeReply {
  return { ...jsonReply(503, JSON.stringify({ detail, retry_after: retryAfter })), retryAfter }
}
