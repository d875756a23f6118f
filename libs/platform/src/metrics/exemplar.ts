import { trace } from '@opentelemetry/api'

export type Exemplar = Readonly<Record<'trace_id' | 'span_id', string>>

/** What an observation points to: the trace that it was made in. `undefined` where no trace is recorded, as always while traces are off. */
export function currentExemplar(): Exemplar | undefined {
  const span = trace.getActiveSpan()
  if (span?.isRecording() !== true) return undefined
  const { traceId, spanId } = span.spanContext()
  return { trace_id: traceId, span_id: spanId }
}
