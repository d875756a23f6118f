import type { IncomingMessage, ServerResponse } from 'node:http'

import { hostHeaderValidation, originValidation, toNodeHandler } from '@modelcontextprotocol/node'
import {
  isJsonContentType,
  isLegacyRequest,
  localhostAllowedHostnames,
  readRequestBody,
} from '@modelcontextprotocol/server'
import type { AuthInfo } from '@modelcontextprotocol/server'
import { systemClock } from '@koi-mcp/core'
import type { Clock, FollowKnowledge, KnowledgeAdapter, KnowledgeReader, Logger } from '@koi-mcp/core'
import type { RidType } from '@koi-mcp/protocol'

import { ChangeFeed } from './change-feed.ts'
import { errorResponse } from './http-answers.ts'
import { instructionsFor } from './instructions.ts'
import type { ServerParts } from './knowledge-server.ts'
import type { McpLoad, McpObserver } from './mcp-observer.ts'
import { knowledgeTools } from './knowledge-tools.ts'
import { LegacySessions } from './legacy-sessions.ts'
import { modernHandler } from './modern-handler.ts'
import { ResourceCatalog } from './resource-catalog.ts'
import { RidLookup } from './rid-lookup.ts'
import { MAX_SUBSCRIPTIONS } from './subscription-limits.ts'
import { adapterToolSource, Toolbox } from './tool.ts'

const MAX_BODY = 1024 * 1024
const PARSE_ERROR = -32700
const REFUSED = -32000

export interface McpHandlerOptions {
  readonly knowledge: KnowledgeReader
  readonly adapters: Iterable<KnowledgeAdapter> | ReadonlyMap<string, KnowledgeAdapter>
  readonly changes: FollowKnowledge
  /** The types that are offered as resource templates. Resources are listed whatever their type. */
  readonly ridTypes: readonly RidType[]
  readonly name: string
  readonly version: string
  readonly log: Logger
  /** Told of every request. */
  readonly observer?: McpObserver | undefined
  /** Closes the handler. */
  readonly signal?: AbortSignal | undefined
  /**
   * Host names (no ports; IPv6 in brackets) that requests may be addressed to, so that no web page reaches a server on
   * this machine under a name of its own; `*` for any. Absent = localhost, 127.0.0.1, [::1].
   */
  readonly allowedHosts?: readonly string[] | undefined
  /** Host names of web pages that may call this server. Absent = this machine's own and `allowedHosts`. */
  readonly allowedOrigins?: readonly string[] | undefined
  /** Of the older revisions; absent = 1,000. */
  readonly maxSessions?: number | undefined
  /** Milliseconds; absent = 30 minutes. */
  readonly sessionIdleMs?: number | undefined
  /** Resources that one session or one stream may follow; absent = 1,000. */
  readonly maxSubscriptions?: number | undefined
  readonly clock?: Clock | undefined
}

export interface McpHandler {
  /**
   * Serves one request to the MCP endpoint, whatever its path, and resolves when the response has ended; it does not
   * reject. Give `parsedBody` where a framework has read the body already. A session of the older revisions is there for
   * the `clientId` that opened it alone, where `request.auth` says who calls, as middleware of the SDK leaves it.
   */
  handle(request: IncomingMessage & { auth?: AuthInfo }, response: ServerResponse, parsedBody?: unknown): Promise<void>
  /** What clients hold now. */
  readonly load: McpLoad
  /** Ends all sessions and streams; requests after it are answered 503. */
  close(): Promise<void>
}

/**
 * What a node knows, as an MCP server over Streamable HTTP: revision 2026-07-28, stateless, and the older ones, in
 * sessions.
 *
 * @throws Error for two tools of one name, and for a tool whose input schema cannot be compiled
 */
export function createMcpHandler(options: McpHandlerOptions): McpHandler {
  const { knowledge, changes, ridTypes, log, maxSubscriptions = MAX_SUBSCRIPTIONS } = options
  const adapters = adaptersOf(options.adapters)
  const lookup = new RidLookup(knowledge, changes)
  const feed = new ChangeFeed(changes, log)
  const catalog = new ResourceCatalog({ knowledge, lookup, adapters, ridTypes, log })
  const adapterTools = adapters.flatMap(({ tools = [] }) => tools.map(adapterToolSource))
  const toolbox = new Toolbox([...knowledgeTools(catalog), ...adapterTools], log)
  const instructions = instructionsFor(ridTypes, toolbox.names)
  const parts: ServerParts = { ...options, instructions, catalog, toolbox }

  const modern = modernHandler({ parts, feed, lookup, maxSubscriptions })
  const sessions = new LegacySessions(
    { parts, feed, lookup, maxSubscriptions, clock: options.clock ?? systemClock },
    { maxSessions: options.maxSessions ?? 1000, idleMs: options.sessionIdleMs ?? 30 * 60_000 },
  )

  const fetch = async (
    request: Request,
    given: { parsedBody?: unknown; authInfo?: AuthInfo } = {},
  ): Promise<Response> => {
    const body = given.parsedBody === undefined ? await bodyOf(request) : given.parsedBody
    if (body instanceof Response) return body
    return (await isLegacyRequest(request, body))
      ? sessions.handle(request, body, given.authInfo?.clientId)
      : modern.fetch(request, body)
  }
  const serve = toNodeHandler(
    { fetch },
    { maxRequestBodySize: MAX_BODY, onerror: (error) => log.warn('An MCP request could not be served', { error }) },
  )

  const { hostAllowed, originAllowed } = guards(options)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= Promise.all([sessions.close(), modern.close()]).then(() => {
      feed.close()
      lookup.close()
    })
    return closing
  }
  options.signal?.addEventListener('abort', () => void close(), { once: true })
  if (options.signal?.aborted === true) void close()

  return {
    async handle(request, response, parsedBody) {
      if (closing !== undefined) refuse(response, 503, 'This server is shutting down')
      else if (hostAllowed(request, response) && originAllowed(request, response)) {
        // Node types an absent method as undefined, the SDK as absent.
        await serve(request as Parameters<typeof serve>[0], response, parsedBody)
      }
    },
    get load() {
      return { sessions: sessions.count, subscriptions: feed.followed }
    },
    close,
  }
}

/** The posted JSON, `undefined` for a request without a body, or the answer to a body that cannot be used. */
async function bodyOf(request: Request): Promise<unknown> {
  if (request.method !== 'POST') return undefined
  if (!isJsonContentType(request.headers.get('content-type'))) {
    return errorResponse(415, REFUSED, 'Unsupported Media Type: Content-Type must be application/json')
  }
  const read = await readRequestBody(request, MAX_BODY)
  if (read.tooLarge) return errorResponse(413, REFUSED, `Payload Too Large: at most ${MAX_BODY} bytes`)
  try {
    return JSON.parse(read.text) as unknown
  } catch {
    return errorResponse(400, PARSE_ERROR, 'Parse error: the request body is not valid JSON')
  }
}

type Guard = (request: IncomingMessage, response: ServerResponse) => boolean

function guards({ allowedHosts, allowedOrigins }: McpHandlerOptions): { hostAllowed: Guard; originAllowed: Guard } {
  const local = localhostAllowedHostnames()
  const hosts = allowedHosts ?? local
  const origins = allowedOrigins ?? [...local, ...hosts]
  return {
    hostAllowed: hosts.includes('*') ? () => true : hostHeaderValidation([...hosts]),
    originAllowed: origins.includes('*') && allowedOrigins !== undefined ? () => true : originValidation([...origins]),
  }
}

function adaptersOf(adapters: McpHandlerOptions['adapters']): readonly KnowledgeAdapter[] {
  // One adapter may stand under several names.
  return [...new Set(adapters instanceof Map ? adapters.values() : (adapters as Iterable<KnowledgeAdapter>))]
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '5' })
  response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: REFUSED, message }, id: null }))
}
