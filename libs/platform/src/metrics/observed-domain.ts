import { DomainExtension } from '@koi-mcp/core'
import type { KnowledgeProcessor } from '@koi-mcp/core'
import { ObservableAdapter } from './observable-adapter.ts'
import type { PrometheusMetrics } from './prometheus-metrics.ts'

/** A domain as it is, whose adapters are counted. */
export class ObservedDomain extends DomainExtension {
  readonly name: string
  readonly #domain: DomainExtension
  readonly #adapters: readonly ObservableAdapter[]

  constructor(domain: DomainExtension, metrics: PrometheusMetrics) {
    super()
    this.name = domain.name
    this.#domain = domain
    this.#adapters = domain.adapters.map((adapter) => new ObservableAdapter(adapter, metrics))
  }
  override get ridTypes() {
    return this.#domain.ridTypes
  }
  override get schemas() {
    return this.#domain.schemas
  }
  override get transformers() {
    return this.#domain.transformers
  }
  override get adapters() {
    return this.#adapters
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    this.#domain.registerHandlers(processor)
  }
}
