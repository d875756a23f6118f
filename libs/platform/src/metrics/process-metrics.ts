import { heapLimit, memoryLimit } from './memory-limits.ts'
import type { PrometheusMetrics } from './prometheus-metrics.ts'

/** What runs here, and the bounds that its memory has, beside what prom-client says of every process. */
export function processMetrics(
  metrics: PrometheusMetrics,
  build: Readonly<Record<'version' | 'node_version' | 'storage_type' | 'queue_type', string>>,
): void {
  metrics.createGauge(
    'koi_mcp_build_info',
    'Always 1: the release, the Node that it runs on, and what its store and its queue are',
    ['version', 'node_version', 'storage_type', 'queue_type'],
    () => [[build, 1]],
  )
  metrics.createGauge(
    'koi_mcp_memory_limit_bytes',
    'What the process may have: the limit of its container, else the memory of the machine',
    [],
    () => [[{}, memoryLimit()]],
  )
  metrics.createGauge('koi_mcp_heap_limit_bytes', 'What the live objects of its JavaScript heap may take', [], () => [
    [{}, heapLimit()],
  ])
  metrics.collectProcess()
}
