import { Agent, request } from 'undici'
import { traceHeaders } from '../tracing/tracer.ts'
import { allowAllButLinkLocal, checkUrl, FORBIDDEN_ADDRESS, guardedLookup } from './address-policy.ts'
import type { AddressPolicy } from './address-policy.ts'

export interface HttpExchangeOptions {
  /** For a connection to stand, TLS included; default 10 s. */
  readonly connectTimeoutMs?: number | undefined
  /** From the call to the last byte of the reply; default 30 s. */
  readonly requestTimeoutMs?: number | undefined
  /** A longer reply is cut off and refused; default 32 MiB. */
  readonly maxReplyBytes?: number | undefined
  readonly allowAddress?: AddressPolicy | undefined
}

export interface HttpReply {
  readonly status: number
  readonly body: Uint8Array
}

/** Why there is no reply. `forbidden`: not called at all. `too_large`: the peer answered more than is taken. */
export class HttpExchangeError extends Error {
  readonly reason: 'unreachable' | 'forbidden' | 'too_large' | 'aborted'
  constructor(reason: HttpExchangeError['reason'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'HttpExchangeError'
    this.reason = reason
  }
}

/** Bounded HTTP: http and https alone, no redirects, time and reply limited, addresses by policy. One per node; close it. */
export class HttpExchange {
  readonly #agent: Agent
  readonly #policy: AddressPolicy
  readonly #requestTimeoutMs: number
  readonly #maxReplyBytes: number

  constructor(options: HttpExchangeOptions = {}) {
    this.#policy = options.allowAddress ?? allowAllButLinkLocal
    this.#requestTimeoutMs = options.requestTimeoutMs ?? 30_000
    this.#maxReplyBytes = options.maxReplyBytes ?? 32 * 1024 * 1024
    const timeout = options.connectTimeoutMs ?? 10_000
    this.#agent = new Agent({
      connect: { timeout, lookup: guardedLookup(this.#policy) },
      // The total time rules (an AbortSignal); these would only cut a slow but allowed reply short.
      headersTimeout: 0,
      bodyTimeout: 0,
      // uvicorn, which the reference listens with, closes an idle connection after 5 s.
      keepAliveTimeout: 3_000,
      keepAliveMaxTimeout: 4_000,
    })
  }

  /** Posts JSON text. @throws HttpExchangeError */
  async post(url: string, body: string, signal?: AbortSignal): Promise<HttpReply> {
    const headers = { 'content-type': 'application/json', accept: 'application/json', ...traceHeaders() }
    try {
      return await this.#exchange(url, { method: 'POST', body, headers }, signal)
    } catch (error) {
      // A kept connection that the peer closed as we wrote to it: nothing was read, so it goes out once more on a new one.
      if (!(error instanceof HttpExchangeError) || !isClosedConnection(error.cause)) throw error
      return await this.#exchange(url, { method: 'POST', body, headers }, signal)
    }
  }

  /** @throws HttpExchangeError */
  async get(url: string, signal?: AbortSignal): Promise<HttpReply> {
    return await this.#exchange(url, { method: 'GET', headers: { accept: 'application/json' } }, signal)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #exchange(url: string, call: Call, signal: AbortSignal | undefined): Promise<HttpReply> {
    const timeout = AbortSignal.timeout(this.#requestTimeoutMs)
    const either = signal === undefined ? timeout : AbortSignal.any([timeout, signal])
    try {
      checkUrl(new URL(url), this.#policy)
      const { statusCode, body } = await request(url, { ...call, dispatcher: this.#agent, signal: either })
      return { status: statusCode, body: await this.#bounded(body) }
    } catch (cause) {
      throw exchangeError(cause, {
        url,
        timedOut: timeout.aborted,
        stopped: signal?.aborted === true,
        ms: this.#requestTimeoutMs,
      })
    }
  }

  async #bounded(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of body) {
      length += chunk.length
      // Leaving the loop destroys the body, and with it the connection.
      if (length > this.#maxReplyBytes) {
        throw new HttpExchangeError('too_large', `the reply is longer than ${this.#maxReplyBytes} bytes`)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }
}

interface Call {
  readonly method: 'GET' | 'POST'
  readonly body?: string
  readonly headers: Record<string, string>
}

function exchangeError(
  cause: unknown,
  call: { readonly url: string; readonly timedOut: boolean; readonly stopped: boolean; readonly ms: number },
): HttpExchangeError {
  if (cause instanceof HttpExchangeError) return cause
  if (call.stopped) return new HttpExchangeError('aborted', `stopped while calling ${call.url}`, { cause })
  if (call.timedOut)
    return new HttpExchangeError('unreachable', `${call.url} did not answer within ${call.ms} ms`, { cause })
  const message = cause instanceof Error ? cause.message || codeOf(cause) : String(cause)
  if (codeOf(cause) === FORBIDDEN_ADDRESS) return new HttpExchangeError('forbidden', message, { cause })
  if (codeOf(cause) === 'ERR_INVALID_URL') return new HttpExchangeError('forbidden', `${call.url} is no URL`, { cause })
  return new HttpExchangeError('unreachable', `${call.url}: ${message}`, { cause })
}

function isClosedConnection(cause: unknown): boolean {
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(codeOf(cause))
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}
