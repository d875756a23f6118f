import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { Server } from '@modelcontextprotocol/server'
import type { Clock } from '@koi-mcp/core'

import type { ChangeFeed } from './change-feed.ts'
import { guardEventStream } from './event-stream.ts'
import { guardedRequest } from './guarded-request.ts'
import { errorResponse, idsOf, settledUnless } from './http-answers.ts'
import { knowledgeServer } from './knowledge-server.ts'
import type { ServerParts } from './knowledge-server.ts'
import { LegacyTransport } from './legacy-transport.ts'
import type { RidLookup } from './rid-lookup.ts'
import { checkUri } from './subscription-limits.ts'

const MAX_RUNNING = 100

export interface SessionOwner {
  readonly id: string
  /** Who opened it, where that is known. */
  readonly caller: string | undefined
}

export interface SessionParts {
  readonly parts: ServerParts
  readonly feed: ChangeFeed
  readonly lookup: RidLookup
  readonly maxSubscriptions: number
  readonly clock: Clock
}

/**
 * A client of the older revisions (2025-11-25 and before): a server object and a transport of its own, its
 * subscriptions, and its one stream of notifications. What changed while no stream was open is told when one opens.
 */
export class LegacySession {
  readonly id: string
  readonly caller: string | undefined
  readonly #context: SessionParts
  readonly #server: Server
  readonly #transport: LegacyTransport
  readonly #closing = new AbortController()
  readonly #running = new Set<string | number>()
  /** Unsubscribe, by URI as the client wrote it. */
  readonly #subscriptions = new Map<string, () => void>()
  readonly #missed = new Set<string>()
  readonly #unfollowList: () => void
  #missedList = false
  #stream: object | undefined
  #lastUsed: number

  private constructor({ id, caller }: SessionOwner, context: SessionParts, closed: (session: LegacySession) => void) {
    this.id = id
    this.caller = caller
    this.#context = context
    this.#lastUsed = context.clock()
    this.#server = knowledgeServer(context.parts)
    // One JSON body an answer: the only event stream of a session is the one that it opens with GET.
    this.#transport = new LegacyTransport({ sessionIdGenerator: () => id, enableJsonResponse: true })
    this.#unfollowList = context.feed.followList(() => this.#tellList())
    this.#serveSubscriptions()
    this.#server.onclose = () => {
      this.#closing.abort()
      this.#unfollowList()
      for (const stop of this.#subscriptions.values()) stop()
      this.#subscriptions.clear()
      closed(this)
    }
  }

  static async open(owner: SessionOwner, context: SessionParts, closed: (session: LegacySession) => void) {
    const session = new LegacySession(owner, context, closed)
    await session.#server.connect(session.#transport)
    return session
  }

  /** False until the client's `initialize` was accepted. */
  get initialized(): boolean {
    return this.#transport.sessionId !== undefined
  }

  get busy(): boolean {
    return this.#running.size > 0 || this.#stream !== undefined
  }

  /** Milliseconds since the epoch. */
  get lastUsed(): number {
    return this.#lastUsed
  }

  async handle(request: Request, body: unknown): Promise<Response> {
    this.#lastUsed = this.#context.clock()
    if (request.method === 'POST') return this.#post(request, body)
    if (request.method === 'GET') return this.#openStream(request)
    return this.#transport.handleRequest(request)
  }

  async close(): Promise<void> {
    await this.#server.close()
  }

  async #post(request: Request, body: unknown): Promise<Response> {
    const ids = idsOf(body)
    // The SDK answers by request id: of two requests under one id the first would never be answered.
    if (new Set(ids).size < ids.length || ids.some((id) => this.#running.has(id))) {
      return errorResponse(400, ProtocolErrorCode.InvalidRequest, 'Invalid Request: this request id is in use')
    }
    if (this.#running.size + ids.length > MAX_RUNNING) {
      return errorResponse(429, ProtocolErrorCode.InternalError, `More than ${MAX_RUNNING} requests at once`)
    }
    for (const id of ids) this.#running.add(id)
    const answer = this.#transport.handleRequest(request, { parsedBody: body }).finally(() => {
      for (const id of ids) this.#running.delete(id)
      this.#lastUsed = this.#context.clock()
    })
    return settledUnless(answer, [this.#closing.signal, request.signal])
  }

  async #openStream(request: Request): Promise<Response> {
    // The newest stream wins: the one before may be of a connection that broke without a word.
    this.#transport.closeStandaloneSSEStream()
    const response = await this.#transport.handleRequest(request)
    if (!response.ok) return response
    const stream = {}
    this.#stream = stream
    const guarded = guardEventStream(response, request.signal, (end) => {
      if (this.#stream !== stream) return
      this.#stream = undefined
      this.#lastUsed = this.#context.clock()
      if (end === 'too-slow') this.#missAll()
    })
    const missed = [...this.#missed]
    this.#missed.clear()
    for (const uri of missed) this.#tell(uri)
    if (this.#missedList) this.#tellList()
    return guarded
  }

  #serveSubscriptions(): void {
    const { feed, lookup, maxSubscriptions, parts } = this.#context
    const subscribe = async (uri: string): Promise<object> => {
      checkUri(uri)
      if (this.#subscriptions.has(uri)) return {}
      const rid = await lookup.nameOf(uri)
      if (this.#subscriptions.size >= maxSubscriptions || feed.full) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `Subscription limit reached (${maxSubscriptions} a session): unsubscribe from a resource first`,
        )
      }
      if (this.#closing.signal.aborted || this.#subscriptions.has(uri)) return {}
      this.#subscriptions.set(
        uri,
        feed.follow(rid, () => this.#tell(uri)),
      )
      return {}
    }
    const unsubscribe = (uri: string): object => {
      this.#subscriptions.get(uri)?.()
      this.#subscriptions.delete(uri)
      this.#missed.delete(uri)
      return {}
    }
    this.#server.setRequestHandler('resources/subscribe', ({ params: { uri, _meta } }) =>
      guardedRequest(parts, 'resources/subscribe', _meta, () => subscribe(uri)),
    )
    this.#server.setRequestHandler('resources/unsubscribe', ({ params: { uri, _meta } }) =>
      guardedRequest(parts, 'resources/unsubscribe', _meta, () => unsubscribe(uri)),
    )
    // A cancelled request would be left without an answer, and its HTTP exchange open for good; all are short.
    this.#server.setNotificationHandler('notifications/cancelled', () => undefined)
  }

  #tell(uri: string): void {
    if (this.#stream === undefined) this.#missed.add(uri)
    else this.#sent(this.#server.sendResourceUpdated({ uri }))
  }

  #tellList(): void {
    this.#missedList = this.#stream === undefined
    if (this.#stream !== undefined) this.#sent(this.#server.sendResourceListChanged())
  }

  #missAll(): void {
    for (const uri of this.#subscriptions.keys()) this.#missed.add(uri)
    this.#missedList = true
  }

  #sent(sending: Promise<void>): void {
    sending.catch((error: unknown) => this.#context.parts.log.debug('An MCP notification was not sent', { error }))
  }
}
