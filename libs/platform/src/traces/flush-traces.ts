import { ProxyTracerProvider, trace } from '@opentelemetry/api'

/** Sends the last spans before the process ends; a collector that is away is waited for no longer than its exporter does. */
export async function flushTraces(): Promise<void> {
  const provider = trace.getTracerProvider()
  const tracer = (provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider) as Partial<Flushing>
  await tracer.forceFlush?.().catch(() => undefined)
}

interface Flushing {
  forceFlush(): Promise<void>
}
