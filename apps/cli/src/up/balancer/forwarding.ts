import { request as requestTo } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream'
import { HOST } from '../service-plan.ts'
import { endToEnd } from './end-to-end.ts'
import { isRepeatable } from './repeatable.ts'
import type { Target } from './target.ts'

/** Of a body that may have to be sent again, so much is kept; beyond, the request is sent once. */
const KEPT_BYTES = 1024 * 1024
/** A replica that has not begun to answer by then is asked whether it lives. */
const SLOW_MS = 1_000

const NOBODY = [503, 'No replica can take the request now, try again'] as const
const LOST = [
  502,
  'The replica that had the request ended before it answered; whether it was done is not known',
] as const

/**
 * One request on its way to a replica and its answer back, both as they come. It is sent to another replica where the first took no connection, so
 * that nothing was sent; and once more where that ended before it began to answer, if the request may be done twice.
 */
export class Forwarding {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #next: (tried: ReadonlySet<Target>) => Target | undefined
  readonly #tried = new Set<Target>()
  #upstream: ClientRequest | undefined
  /** What has come of the body, as long as all of it is kept. */
  #body: Buffer[] | undefined = []
  #bodyBytes = 0
  #isComplete = false
  #mayRepeat: boolean

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    next: (tried: ReadonlySet<Target>) => Target | undefined,
  ) {
    this.#request = request
    this.#response = response
    this.#next = next
    this.#mayRepeat = isRepeatable(request)
  }

  begin(): void {
    const request = this.#request
    request.on('data', (chunk: Buffer) => this.#onData(chunk))
    request.once('end', () => {
      this.#isComplete = true
      this.#upstream?.end()
    })
    // The caller is gone: so is the reason to ask.
    this.#response.once('close', () => this.#upstream?.destroy())
    this.#attempt()
  }

  #onData(chunk: Buffer): void {
    this.#bodyBytes += chunk.length
    if (this.#bodyBytes > KEPT_BYTES) this.#body = undefined
    this.#body?.push(chunk)
    const upstream = this.#upstream
    if (upstream === undefined || upstream.destroyed) return
    if (!upstream.write(chunk)) this.#request.pause()
  }

  #attempt(): void {
    const target = this.#next(this.#tried)
    if (target === undefined) return this.#fail(NOBODY)
    this.#tried.add(target)
    const { method, url, rawHeaders, socket } = this.#request
    const upstream = requestTo({
      host: HOST,
      port: target.port,
      agent: target.agent,
      localAddress: socket.remoteAddress,
      method,
      path: url,
      headers: endToEnd(rawHeaders),
    })
    this.#upstream = upstream
    const end = target.begin()
    const slow = setTimeout(() => void target.doubt(false), SLOW_MS)
    let isConnected = false
    upstream.once('socket', (connection) => {
      if (!connection.connecting) isConnected = true
      else connection.once('connect', () => (isConnected = true))
    })
    upstream.on('drain', () => this.#request.resume())
    upstream.once('response', (answer) => {
      clearTimeout(slow)
      end()
      this.#answer(answer)
    })
    upstream.on('error', () => {
      if (!isConnected) void target.doubt(true)
      this.#failed(isConnected)
    })
    upstream.once('close', () => {
      clearTimeout(slow)
      end()
      // What still comes of the body is read and forgotten.
      this.#request.resume()
    })
    for (const chunk of this.#body ?? []) upstream.write(chunk)
    if (this.#isComplete) upstream.end()
  }

  #answer(answer: IncomingMessage): void {
    const { statusCode = 502, statusMessage, rawHeaders } = answer
    // Node.js frames the body for the caller.
    this.#response.writeHead(statusCode, statusMessage, endToEnd(rawHeaders, ['transfer-encoding']))
    this.#response.flushHeaders()
    // An answer that breaks off must not look like one that came to its end: `pipeline` cuts the caller's connection.
    pipeline(answer, this.#response, () => undefined)
  }

  #failed(wasConnected: boolean): void {
    // `pipeline` sees to an answer that has begun, and nobody waits for one any more where the caller is gone.
    if (this.#response.headersSent || this.#response.closed) return
    if (this.#body === undefined) return this.#fail(LOST)
    if (!wasConnected) return this.#attempt()
    if (!this.#mayRepeat) return this.#fail(LOST)
    this.#mayRepeat = false
    this.#attempt()
  }

  #fail([status, message]: readonly [number, string]): void {
    const body = JSON.stringify({
      statusCode: status,
      error: status === 503 ? 'Service Unavailable' : 'Bad Gateway',
      message,
    })
    const headers = { 'content-type': 'application/json; charset=utf-8', 'content-length': Buffer.byteLength(body) }
    this.#response.writeHead(status, status === 503 ? { ...headers, 'retry-after': '1' } : headers).end(body)
    this.#request.resume()
  }
}
