import { expect, test } from 'vitest'

import { until } from '../test/served.ts'
import { guardEventStream } from './event-stream.ts'
import type { StreamEnd } from './event-stream.ts'

interface Guarded {
  readonly source: ReadableStreamDefaultController<Uint8Array>
  readonly body: ReadableStream<Uint8Array>
  readonly ends: StreamEnd[]
  readonly abort: AbortController
  readonly cancelled: () => boolean
}

function guarded(): Guarded {
  let source!: ReadableStreamDefaultController<Uint8Array>
  let cancelled = false
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (source = controller),
    cancel: () => void (cancelled = true),
  })
  const ends: StreamEnd[] = []
  const abort = new AbortController()
  const response = guardEventStream(new Response(stream), abort.signal, (end) => ends.push(end))
  return { source, body: response.body as ReadableStream<Uint8Array>, ends, abort, cancelled: () => cancelled }
}

test('opens with a comment, passes everything on, and ends with its source', async () => {
  const { source, body, ends, cancelled } = guarded()
  source.enqueue(new TextEncoder().encode('data: 1\n\n'))
  source.close()
  expect(await new Response(body).text()).toBe(': open\n\ndata: 1\n\n')
  expect([ends, cancelled()]).toEqual([['closed'], false])
})

test('ends when the client has gone', async () => {
  const { body, ends, abort, cancelled } = guarded()
  abort.abort()
  expect(await new Response(body).text()).toBe(': open\n\n')
  expect([ends, cancelled()]).toEqual([['closed'], true])
})

test('ends for a reader that does not read', async () => {
  const { source, body, ends, cancelled } = guarded()
  const mebibyte = new Uint8Array(1024 * 1024)
  source.enqueue(mebibyte)
  await until(cancelled)
  expect(ends).toEqual(['too-slow'])
  await expect(new Response(body).text()).rejects.toThrow('reads too slowly')
})
