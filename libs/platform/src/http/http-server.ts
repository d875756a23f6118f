import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { guardedServer } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'

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

  private constructor(log: Logger) {
    const listener: RequestListener = (request, response) => {
      // Told to everybody who is connected while the server closes: do not use this connection again.
      if (this.#closing !== undefined) response.setHeader('connection', 'close')
      // A connection that was busy when the closing began is idle once its response has gone.
      response.once('close', () => {
        if (this.#closing !== undefined) setImmediate(() => this.#server.closeIdleConnections())
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

  /** Accepts nobody any more, lets running requests end for at most `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs)
      this.#server.close(() => {
        clearTimeout(cut)
        resolve()
      })
      this.#server.closeIdleConnections()
    })
    return this.#closing
  }
}
