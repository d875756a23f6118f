import { context, trace } from '@opentelemetry/api'
import { NodeSDK } from '@opentelemetry/sdk-node'
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { DomainExtension, openSqliteStore, ProducerNode, silentLogger, TraceBook } from '@koi-mcp/core'
import type { KnowledgeAdapter, NodeStore } from '@koi-mcp/core'
import { asRid, defineRidType } from '@koi-mcp/protocol'
import { createLogger } from '../src/index.ts'

const exporter = new InMemorySpanExporter()
const sdk = new NodeSDK({
  instrumentations: [],
  sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  metricReaders: [],
  logRecordProcessors: [],
})
sdk.start()
afterAll(() => sdk.shutdown())
beforeEach(() => exporter.reset())

const NoteRID = defineRidType('orn:test.note')
const tracer = trace.getTracer('test')
/** Works in a trace of its own; answers its id. */
const traced = (work: () => Promise<unknown>) =>
  tracer.startActiveSpan('caller', { root: true }, async (span) => {
    await work()
    span.end()
    return span.spanContext().traceId
  })
const unsampled = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 0 }
const traceIdOf = async (book: TraceBook, rid: string) => trace.getSpanContext(await book.of(NoteRID.of(rid)))?.traceId

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
  override get adapters(): KnowledgeAdapter[] {
    return [{ name: 'notes', ridTypes: [NoteRID], register: () => undefined }]
  }
}

describe('TraceBook', () => {
  const open = async () => {
    const store = await openSqliteStore({ path: ':memory:' })
    return { store, book: new TraceBook(store, silentLogger), other: new TraceBook(store, silentLogger) }
  }

  it('tells every process of a node which trace an RID belongs to', async () => {
    const { store, book, other } = await open()
    const first = await traced(() => book.remember([NoteRID.of('a'), NoteRID.of('b')]))
    const second = await traced(() => book.remember([NoteRID.of('b')]))
    for (const one of [book, other]) {
      expect([await traceIdOf(one, 'a'), await traceIdOf(one, 'b'), await traceIdOf(one, 'c')]).toEqual([
        first,
        second,
        undefined,
      ])
    }
    await store.close()
  })

  it('keeps nothing of a trace that is not sampled, and forgets the one before', async () => {
    const { store, book } = await open()
    await traced(() => book.remember([NoteRID.of('a')]))
    await context.with(trace.setSpanContext(context.active(), unsampled), () => book.remember([NoteRID.of('a')]))
    expect(await traceIdOf(book, 'a')).toBeUndefined()
    await store.close()
  })

  it('costs the trace alone when the store is away', async () => {
    const away = () => Promise.reject(new Error('away'))
    const book = new TraceBook(
      { setValue: away, getValue: away } satisfies Pick<NodeStore, 'setValue' | 'getValue'>,
      silentLogger,
    )
    const id = await traced(() => book.remember([NoteRID.of('a')]))
    expect([await traceIdOf(book, 'a'), await traceIdOf(book, 'b')]).toEqual([id, undefined])
  })

  it('sends a batch of one trace in it, and one of several in its own with links', async () => {
    const { store, book } = await open()
    const target = asRid(`orn:koi-net.node:peer+${'1'.repeat(64)}`)
    const ids = [
      await traced(() => book.remember([NoteRID.of('a')])),
      await traced(() => book.remember([NoteRID.of('b')])),
    ]
    exporter.reset()
    await book.sending({ target, rids: [NoteRID.of('a'), NoteRID.of('a')] }, () => Promise.resolve())
    await book.sending({ target, rids: [NoteRID.of('a'), NoteRID.of('b'), NoteRID.of('c')] }, () => Promise.resolve())
    const [one, several] = exporter.getFinishedSpans()
    expect([one?.name, one?.spanContext().traceId, one?.links]).toEqual(['deliver', ids[0], []])
    expect(ids).not.toContain(several?.spanContext().traceId)
    expect(several?.links.map((link) => link.context.traceId)).toEqual(ids)
    await store.close()
  })
})

describe('a node', () => {
  it('shows the adapters what was published in its trace, and notes what fails', async () => {
    const node = new ProducerNode({ name: 'traced', domains: [new Notes()] })
    await node.start()
    try {
      const id = await traced(() => node.publish({ rid: NoteRID.of('a'), contents: {} }))
      await node.idle()
      const names = () => exporter.getFinishedSpans().filter((span) => span.spanContext().traceId === id)
      await expect
        .poll(() =>
          names()
            .map(({ name }) => name)
            .sort(),
        )
        .toEqual(['adapter register', 'caller', 'handle orn:test.note', 'publish'])
      const parent = (name: string) => names().find((span) => span.name === name)?.parentSpanContext?.spanId
      const span = (name: string) =>
        names()
          .find((found) => found.name === name)
          ?.spanContext().spanId
      expect([parent('publish'), parent('handle orn:test.note'), parent('adapter register')]).toEqual([
        span('caller'),
        span('publish'),
        span('handle orn:test.note'),
      ])
    } finally {
      await node.stop()
    }
  })
})

describe('the log', () => {
  it('names the trace that a line was written in', async () => {
    const lines: string[] = []
    const log = createLogger({
      level: 'info',
      format: 'json',
      role: 'test',
      output: { write: (line) => void lines.push(line) },
    })
    const id = await traced(() => Promise.resolve(log.info('within')))
    log.info('without')
    expect(lines.map((line) => (JSON.parse(line) as { trace_id?: string }).trace_id)).toEqual([id, undefined])
  })
})
