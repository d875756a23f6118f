import type { RequestListener, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { guardedServer } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'

/** How long a connection that stands is waited for: whoever uses it within that time is told that it closes. */
const LINGER_MS = 1_000
const LOOK_MS = 20
const STARTING = JSON.stringify({ statusCode: 503, error: 'Service Unavailable', message: 'The service is starting' })

/**
 * The service's HTTP server. It listens before there is anything to serve, so that a busy port is found before any state is opened
 * and a port of 0 is known before the node needs its address; until `serve` is called it answers 503.
 */
export class HttpServer {
  readonly #server: Server
  #listener: RequestListener = (_request, response) => {
    response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' }).end(STARTING)
  }
  #closing: Promise<void> | undefined
  #isClosed = false
  readonly #unanswered = new Set<ServerResponse>()

  private constructor(log: Logger) {
    const listener: RequestListener = (request, response) => {
      if (this.#closing !== undefined) sayLast(response)
      this.#unanswered.add(response)
      // A connection that was busy when the closing began is idle once its response has gone.
      response.once('close', () => {
        this.#unanswered.delete(response)
        if (this.#isClosed) setImmediate(() => this.#server.closeIdleConnections())
      })
      this.#listener(request, response)
    }
    this.#server = guardedServer(listener, { log })
  }

  /** Rejects with the system's error (`EADDRINUSE`, `EACCES` …), which names address and port. */
  static listen({ port, host }: { readonly port: number; readonly host: string }, log: Logger): Promise<HttpServer> {
    const server = new HttpServer(log)
    return new Promise((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(port, host, () => {
        server.#server.off('error', reject)
        resolve(server)
      })
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** For Fastify's `serverFactory`. */
  get server(): Server {
    return this.#server
  }

  serve(listener: RequestListener): void {
    this.#listener = listener
  }

  /**
   * Tells everybody who asks that the connection closes, and after a moment accepts nobody any more; running requests may last `graceMs` in all, then they
   * are cut. Without that moment a connection would be closed under a request that is on its way, which no client may send again unasked.
   */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs)
    return this.#closing
  }

  async #close(graceMs: number): Promise<void> {
    for (const response of this.#unanswered) sayLast(response)
    const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    const until = performance.now() + Math.min(LINGER_MS, graceMs)
    while ((await this.#connections()) > 0 && performance.now() < until) await wait(LOOK_MS)
    this.#isClosed = true
    await new Promise((resolve) => this.#server.close(resolve).closeIdleConnections())
    clearTimeout(cut)
  }

  #connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_, count = 0) => resolve(count)))
  }
}

/** Told to everybody who is connected while the server closes: do not use this connection again. */
function sayLast(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}
