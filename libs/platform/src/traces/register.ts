// node --import @koi-mcp/platform/traces: traces of this process by OpenTelemetry, where its standard variables say where they go.
import { env } from 'node:process'

// Of OpenTelemetry's SDK, which reads its variables itself.
const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED } = env
const isAsked = [OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_TRACES_EXPORTER].some(Boolean)

// Loaded only where it is wanted: it is large.
if (isAsked && OTEL_SDK_DISABLED !== 'true') (await import('./start-traces.ts')).startTraces(env)
