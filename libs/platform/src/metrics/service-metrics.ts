import type { NodeObserver } from '@koi-mcp/core'
import type { Role, Service } from '../service/service.ts'
import { VERSION } from '../service/version.ts'
import { adapterCounters } from './adapter-counters.ts'
import { HttpMetrics } from './http-metrics.ts'
import { nodeMetrics } from './node-metrics.ts'
import { processMetrics } from './process-metrics.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'
import { stateMetrics } from './state-metrics.ts'

/** What is read of a service's settings. */
export interface MetricsContext {
  readonly node: { readonly name: string }
  readonly persistence: { readonly storage_type: string }
  readonly queue: { readonly queue_type: string }
}

/** Everything that a service counts and shows, whatever its role. */
export class ServiceMetrics {
  /** Where a role or a domain makes more of them. */
  readonly prometheus: PrometheusMetrics
  readonly observer: NodeObserver
  readonly http: HttpMetrics
  #service: Service | undefined

  constructor(role: Role, { node, persistence, queue }: MetricsContext) {
    this.prometheus = new PrometheusMetrics({ node: node.name, role })
    stateMetrics(this.prometheus, () => this.#service)
    this.observer = nodeMetrics(this.prometheus)
    this.http = new HttpMetrics(this.prometheus)
    adapterCounters(this.prometheus)
    processMetrics(this.prometheus, {
      version: VERSION,
      node_version: process.version,
      storage_type: persistence.storage_type,
      queue_type: queue.queue_type,
    })
  }

  /** From here on the gauges show this service. */
  show(service: Service): void {
    this.#service = service
  }
}
