import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import { spanning, traceOf } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'

import type { McpMethod, McpObserver, McpOutcome } from './mcp-observer.ts'

/** Who hears of requests. */
export interface RequestTold {
  readonly log: Logger
  readonly observer?: McpObserver | undefined
}

/** `_meta` of a request: a client may say there which trace it belongs to (SEP-414), beside or in place of the headers of HTTP. */
type RequestMeta = Readonly<Record<string, unknown>>

const callersTrace = (meta: RequestMeta = {}) => (typeof meta['traceparent'] === 'string' ? traceOf(meta) : undefined)

/**
 * One request: what is a fault of ours is logged and told to the client as no more than that, and the outcome is observed. `work` may say by `told` how
 * it went where its result does not throw.
 *
 * @throws ProtocolError
 */
export async function guardedRequest<R>(
  { log, observer }: RequestTold,
  method: McpMethod,
  meta: RequestMeta | undefined,
  work: (told: (outcome: McpOutcome) => void) => R | Promise<R>,
): Promise<R> {
  const since = performance.now()
  let outcome: McpOutcome = 'ok'
  try {
    return await spanning(`mcp ${method}`, { kind: 'server', parent: callersTrace(meta) }, () =>
      Promise.resolve(work((told) => (outcome = told))),
    )
  } catch (error) {
    const isOurs = !(error instanceof ProtocolError) || error.code === Number(ProtocolErrorCode.InternalError)
    outcome = isOurs ? 'failed' : 'refused'
    if (error instanceof ProtocolError) throw error
    log.error('An MCP request failed', { method, error })
    throw new ProtocolError(ProtocolErrorCode.InternalError, 'Internal error')
  } finally {
    observer?.answered(method, outcome, (performance.now() - since) / 1_000)
  }
}
