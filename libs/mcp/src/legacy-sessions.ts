import { randomUUID } from 'node:crypto'

import { isInitializeRequest } from '@modelcontextprotocol/server'

import { errorResponse } from './http-answers.ts'
import { LegacySession } from './legacy-session.ts'
import type { SessionParts } from './legacy-session.ts'

const SWEEP_EVERY = 60_000
/** What `initialize` says stays in memory with the session, so it gets less room than other requests: bytes of JSON. */
const MAX_INITIALIZE = 64 * 1024
const SESSION_NOT_FOUND = -32001
const REFUSED = -32000

export interface SessionLimits {
  readonly maxSessions: number
  /** Milliseconds without a request or an open stream after which a session ends. */
  readonly idleMs: number
}

/** The sessions of clients of the older revisions: bounded in number, ended when idle. */
export class LegacySessions {
  readonly #sessions = new Map<string, LegacySession>()
  readonly #context: SessionParts
  readonly #limits: SessionLimits
  readonly #sweeper: NodeJS.Timeout

  constructor(context: SessionParts, limits: SessionLimits) {
    this.#context = context
    this.#limits = limits
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(SWEEP_EVERY, limits.idleMs)).unref()
  }

  get count(): number {
    return this.#sessions.size
  }

  /** @param caller who asks, where that is known: a session serves the one who opened it, and to others it is not there */
  async handle(request: Request, body: unknown, caller?: string): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    if (id !== null) {
      const session = this.#sessions.get(id)
      if (session !== undefined && session.caller === caller) return session.handle(request, body)
      return errorResponse(404, SESSION_NOT_FOUND, 'Session not found: it ended; initialize a new one')
    }
    if (request.method !== 'POST') {
      return errorResponse(405, REFUSED, 'Method Not Allowed without an Mcp-Session-Id header', { allow: 'POST' })
    }
    if (isInitializeRequest(body)) return this.#open(request, body, caller)
    return errorResponse(400, REFUSED, 'Bad Request: initialize first, then send the Mcp-Session-Id header it answered')
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    await Promise.all([...this.#sessions.values()].map((session) => session.close()))
  }

  async #open(request: Request, body: unknown, caller: string | undefined): Promise<Response> {
    if (Buffer.byteLength(JSON.stringify(body)) > MAX_INITIALIZE) {
      return errorResponse(413, REFUSED, `Payload Too Large: initialize must not exceed ${MAX_INITIALIZE} bytes`)
    }
    this.#sweep()
    if (!this.#makeRoom()) {
      return errorResponse(503, REFUSED, `All ${this.#limits.maxSessions} sessions are in use: try again later`, {
        'retry-after': '10',
      })
    }
    const session = await LegacySession.open(
      { id: randomUUID(), caller },
      this.#context,
      ({ id }) => void this.#sessions.delete(id),
    )
    this.#sessions.set(session.id, session)
    const response = await session.handle(request, body)
    if (!session.initialized) await session.close()
    return response
  }

  #sweep(): void {
    const since = this.#context.clock() - this.#limits.idleMs
    for (const session of this.#sessions.values()) {
      if (!session.busy && session.lastUsed <= since) void session.close()
    }
  }

  /** Ends the session that has been idle longest when there is no room; false when all are busy. */
  #makeRoom(): boolean {
    if (this.#sessions.size < this.#limits.maxSessions) return true
    const idle = [...this.#sessions.values()].filter(({ busy }) => !busy)
    const oldest = idle.toSorted((a, b) => a.lastUsed - b.lastUsed)[0]
    void oldest?.close()
    return oldest !== undefined
  }
}
