import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from '@koi-mcp/core'
import { HttpServer } from '../http/http-server.ts'
import type { PrometheusMetrics } from './prometheus-metrics.ts'

const PATH = '/metrics'
const GRACE_MS = 1_000

/** The metrics cannot be served where they are told to be; the message says which setting to change. */
class MetricsServerError extends Error {
  readonly code = 'METRICS_SERVER'
}

/** Serves the metrics of a process on a port of its own, so that whoever reaches the service does not reach them. */
export class MetricsServer {
  readonly #http: HttpServer
  readonly #host: string

  private constructor(http: HttpServer, host: string) {
    this.#http = http
    this.#host = host
  }

  /** @throws MetricsServerError where the port cannot be had */
  static async start(
    at: { port: number; host: string },
    metrics: PrometheusMetrics,
    log: Logger,
  ): Promise<MetricsServer> {
    let http: HttpServer
    try {
      http = await HttpServer.listen(at, log)
    } catch (cause) {
      throw new MetricsServerError(whyNot(cause, at), { cause })
    }
    http.serve((request, response) => {
      answer(request, response, metrics).catch((error: unknown) => {
        log.error('the metrics cannot be told', { error })
        response.destroy()
      })
    })
    return new MetricsServer(http, at.host)
  }

  get url(): string {
    return `http://${this.#host.includes(':') ? `[${this.#host}]` : this.#host}:${this.#http.port}${PATH}`
  }

  stop(): Promise<void> {
    return this.#http.close(GRACE_MS)
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, metrics: PrometheusMetrics): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0]
  request.resume()
  if (path !== PATH) return plain(response, 404, `Not Found: the metrics are at ${PATH}\n`)
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET')
    return plain(response, 405, 'The method must be GET\n')
  }
  const { contentType, text } = await metrics.expose(request.headers.accept)
  response.writeHead(200, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) })
  response.end(request.method === 'HEAD' ? undefined : text)
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

function whyNot(cause: unknown, { port, host }: { port: number; host: string }): string {
  const setting = 'metrics.port (KOI_MCP_METRICS__PORT)'
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host}, for the metrics, is in use: stop what listens there, or choose another with ${setting}; 0 takes any free one`
    case 'EACCES':
      return `This user may not listen on port ${port} for the metrics: choose one above 1023 with ${setting}`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine to serve the metrics on: choose one with metrics.host (KOI_MCP_METRICS__HOST)`
    default:
      return `The metrics cannot be served on port ${port} of ${host} (${setting}): ${String((cause as Error).message)}`
  }
}
