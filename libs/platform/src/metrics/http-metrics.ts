import type { IncomingMessage, ServerResponse } from 'node:http'
import { METHODS } from 'node:http'
import { currentExemplar } from './exemplar.ts'
import type { PrometheusMetrics } from './prometheus-metrics.ts'

/** The path of a request that is none of the service's. */
const NO_ROUTE = 'other'
const KNOWN_METHODS = new Set(METHODS)

/** Counts the requests to a service, by the route that took them: paths are anything, routes are few. */
export class HttpMetrics {
  readonly #requests
  readonly #durations

  constructor(metrics: PrometheusMetrics) {
    this.#requests = metrics.createCounter(
      'koi_mcp_http_requests_total',
      'Requests answered, by method, route and status; status 0: the caller left before',
      ['method', 'route', 'status'],
    )
    this.#durations = metrics.createTimings(
      'koi_mcp_http_request_duration_seconds',
      'From the head of a request to the end of its answer; event streams are left out, they last as long as somebody reads',
      ['method', 'route'],
    )
  }

  /** Counts the request once its response is over. `route` is asked then; `undefined` = none of ours. */
  follow(request: IncomingMessage, response: ServerResponse, route: () => string | undefined): void {
    const since = performance.now()
    const exemplar = currentExemplar()
    response.once('close', () => {
      const method = KNOWN_METHODS.has(request.method ?? '') ? (request.method ?? NO_ROUTE) : NO_ROUTE
      const of = route() ?? NO_ROUTE
      const status = response.writableFinished || response.headersSent ? String(response.statusCode) : '0'
      this.#requests.inc({ method, route: of, status })
      if (isEventStream(response)) return
      this.#durations.observe({ method, route: of }, (performance.now() - since) / 1_000, exemplar)
    })
  }
}

function isEventStream(response: ServerResponse): boolean {
  return String(response.getHeader('content-type') ?? '').startsWith('text/event-stream')
}
