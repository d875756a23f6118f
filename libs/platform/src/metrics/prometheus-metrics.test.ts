import { AsyncLocalStorage } from 'node:async_hooks'
import { context, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import type { Context, ContextManager } from '@opentelemetry/api'
import { afterEach, describe, expect, it } from 'vitest'
import { PrometheusMetrics } from './prometheus-metrics.ts'

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5'
const SPAN = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED }

/** What a tracer brings along. */
class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()
  active = () => this.#storage.getStore() ?? ROOT_CONTEXT
  with: ContextManager['with'] = (active, work, self, ...args) =>
    this.#storage.run(active, () => work.call(self, ...args))
  bind: ContextManager['bind'] = (_, target) => target
  enable = () => this
  disable = () => this
}

afterEach(() => context.disable())

const inSpan = (isRecording: boolean, work: () => void): void => {
  const span = Object.assign(trace.wrapSpanContext(SPAN), { isRecording: () => isRecording })
  context.with(trace.setSpan(ROOT_CONTEXT, span), work)
}

describe('PrometheusMetrics', () => {
  it('writes both formats, whichever was asked for before, with the labels of all', async () => {
    const metrics = new PrometheusMetrics({ node: 'a "b"\\\n' })
    metrics.createCounter('things_total', 'Things, with a \\ and\na line', ['kind']).inc({ kind: 'x' }, 2)
    metrics.createCounter('plain_total', 'Plain')
    metrics.createGauge('level', 'Level', [], () => [[{}, -1.5]])
    const newer = await metrics.expose(OPENMETRICS)
    const older = await metrics.expose('text/plain')
    const node = String.raw`node="a \"b\"\\\n"`
    const lines = [
      String.raw`# HELP things_total Things, with a \\ and\na line`,
      '# TYPE things_total counter',
      `things_total{kind="x",${node}} 2`,
      '# HELP plain_total Plain',
      '# TYPE plain_total counter',
      `plain_total{${node}} 0`,
      '# HELP level Level',
      '# TYPE level gauge',
      `level{${node}} -1.5`,
      '',
    ]
    expect(older).toEqual({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: lines.join('\n') })
    expect(newer.contentType).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
    const inNewer = lines.map((line) => line.replace(/^(# \w+ \w+)_total /, '$1 '))
    expect(newer.text).toBe([...inNewer.slice(0, -1), '# EOF', ''].join('\n'))
    expect(await metrics.expose()).toEqual(older)
  })

  it('points from a time to the recorded trace that it was measured in, in the newer format alone', async () => {
    context.setGlobalContextManager(new Contexts())
    const metrics = new PrometheusMetrics()
    const times = metrics.createTimings('time_seconds', 'Time', ['of'])
    times.observe({ of: 'a' }, 0.02)
    inSpan(false, () => times.observe({ of: 'a' }, 0.03))
    expect((await metrics.expose(OPENMETRICS)).text).not.toContain('trace_id')
    inSpan(true, () => times.observe({ of: 'a' }, 0.04))
    times.observe({ of: 'a' }, 7)
    const { text } = await metrics.expose(OPENMETRICS)
    expect(text).toMatch(
      new RegExp(
        `^time_seconds_bucket\\{le="0.05",of="a"\\} 3 # \\{trace_id="${SPAN.traceId}",span_id="${SPAN.spanId}"\\} 0.04 \\d+(\\.\\d+)?$`,
        'm',
      ),
    )
    expect(text.match(/trace_id/g)).toHaveLength(1)
    expect(text).toContain('time_seconds_bucket{le="+Inf",of="a"} 4\n')
    expect(text).toContain('time_seconds_count{of="a"} 4\n')
    expect((await metrics.expose()).text).not.toContain('trace_id')
  })

  it('leaves a gauge out that cannot be read, and what it showed before', async () => {
    let values: readonly (readonly [Record<'of', string>, number])[] = [[{ of: 'a' }, 1]]
    const metrics = new PrometheusMetrics()
    let fails = false
    const read = () => (fails ? Promise.reject(new Error('away')) : Promise.resolve(values))
    metrics.createGauge('held', 'Held', ['of'], read)
    metrics.createGauge('single', 'Single', [], async () => (await read()).map(([, value]) => [{}, value] as const))
    const samples = async () => (await metrics.expose()).text.split('\n').filter((line) => /^[a-z]/.test(line))
    expect(await samples()).toEqual(['held{of="a"} 1', 'single 1'])
    values = [[{ of: 'b' }, 2]]
    expect(await samples()).toEqual(['held{of="b"} 2', 'single 2'])
    fails = true
    expect(await samples()).toEqual([])
    fails = false
    expect(await samples()).toEqual(['held{of="b"} 2', 'single 2'])
  })

  it('has one counter of a name, and no other metric under it', async () => {
    const metrics = new PrometheusMetrics()
    metrics.createCounter('things_total', 'Things').inc({})
    metrics.createCounter('things_total', 'Things').inc({})
    expect((await metrics.expose()).text).toContain('things_total 2\n')
    expect(() => metrics.createTimings('things_total', 'Times')).toThrow(
      'two metrics are named things_total: give one of them another name',
    )
    expect(metrics.definitions).toEqual([{ name: 'things_total', type: 'counter', help: 'Things', labels: [] }])
  })
})
