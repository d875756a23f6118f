import {
  context,
  propagation,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import type { Attributes, Context, Span } from '@opentelemetry/api'

const SCOPE = '@koi-mcp/core'
const NOBODY = new ProxyTracerProvider().getDelegate()

/** Whether the process that runs this has a tracer (`node --import` of the platform's, or the application's own). */
export function isTracing(): boolean {
  const provider = trace.getTracerProvider()
  return provider instanceof ProxyTracerProvider && provider.getDelegate() !== NOBODY
}

export interface SpanParts {
  readonly kind?: 'client' | 'server' | 'producer' | 'consumer' | 'internal'
  readonly attributes?: Attributes
  /** Default: what is active. */
  readonly parent?: Context | undefined
  /** Other traces that it belongs to as well. */
  readonly links?: readonly Context[]
}

const KINDS = {
  client: SpanKind.CLIENT,
  server: SpanKind.SERVER,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
}

/** Does the work in a span of its own; without a tracer, just the work. What it throws is noted in the span and thrown on. */
export function spanning<T>(name: string, parts: SpanParts, work: () => Promise<T>): Promise<T> {
  if (!isTracing()) return work()
  const { kind = 'internal', attributes = {}, parent = context.active(), links = [] } = parts
  const options = { kind: KINDS[kind], attributes, links: links.flatMap(linkTo) }
  return trace.getTracer(SCOPE).startActiveSpan(name, options, parent, async (span) => {
    try {
      return await work()
    } catch (error) {
      failed(span, error)
      throw error
    } finally {
      span.end()
    }
  })
}

function failed(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  span.recordException(error instanceof Error ? error : message)
  span.setStatus({ code: SpanStatusCode.ERROR, message })
}

function linkTo(of: Context) {
  const linked = trace.getSpanContext(of)
  return linked === undefined ? [] : [{ context: linked }]
}

/** The headers of a call that goes on with the active trace (W3C Trace Context); none without a tracer. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  propagation.inject(context.active(), headers)
  return headers
}

/** The trace that a caller's headers, or what a row kept of them, go on with. */
export function traceOf(headers: Readonly<Record<string, unknown>>, within = context.active()): Context {
  return propagation.extract(within, headers)
}

/** Answers a call in a span that goes on with the caller's trace. */
export function serving<T>(
  headers: Readonly<Record<string, unknown>>,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!isTracing()) return work()
  return spanning(name, { kind: 'server', parent: traceOf(headers, ROOT_CONTEXT) }, work)
}
