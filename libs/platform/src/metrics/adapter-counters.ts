import type { PrometheusMetrics } from './prometheus-metrics.ts'

export type AdapterCounters = ReturnType<typeof adapterCounters>

/** The counters that all adapters of a process share. */
export function adapterCounters(metrics: PrometheusMetrics) {
  return {
    registrations: metrics.createCounter(
      'adapter_registrations_total',
      'Bundles that were registered with an adapter, by RID type',
      ['adapter', 'entity_type'],
    ),
    queries: metrics.createCounter('adapter_queries_total', "Calls of an adapter's tools", ['adapter', 'tool']),
    errors: metrics.createCounter(
      'adapter_errors_total',
      'Errors of an adapter: operation is register, update, forget or a tool; error is its kind',
      ['adapter', 'operation', 'error'],
    ),
  }
}
