import { NodeSDK } from '@opentelemetry/sdk-node'

/** One of ten traces, unless the caller has decided; the variables have their own defaults else, which are for small systems. */
const DEFAULTS = {
  OTEL_SERVICE_NAME: 'koi-mcp',
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: '0.1',
  // Metrics are for Prometheus, and logs go to standard output.
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
}

/** Makes OpenTelemetry's tracer that of the process (specification, "Environment Variable Specification"). */
export function startTraces(env: NodeJS.ProcessEnv): void {
  const sampler = env['OTEL_TRACES_SAMPLER']
  for (const [name, value] of Object.entries(DEFAULTS)) {
    if (name === 'OTEL_TRACES_SAMPLER_ARG' && sampler !== undefined) continue
    env[name] ||= value
  }
  new NodeSDK({ instrumentations: [] }).start()
}
