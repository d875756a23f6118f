/** Text that a reader may leave unread before its stream is ended, in bytes. */
const MAX_UNREAD = 1024 * 1024

const OPENING = new TextEncoder().encode(': open\n\n')

/** How a stream ended: by either side, or because its reader was too slow. */
export type StreamEnd = 'closed' | 'too-slow'

/**
 * An event stream of the SDK made safe to serve: its head is sent at once (by a comment; Node holds it back until the
 * first byte of the body), it ends as soon as the client has gone, and it holds no more than `MAX_UNREAD` for a reader
 * that does not read.
 */
export function guardEventStream(response: Response, signal: AbortSignal, ended: (end: StreamEnd) => void): Response {
  if (response.body === null) return response
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let open = true
  const end = (how: StreamEnd): boolean => {
    if (!open) return false
    open = false
    ended(how)
    return true
  }
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        controller.enqueue(OPENING)
        const leave = (): void => {
          if (!end('closed')) return
          controller.close()
          reader.cancel().catch(() => undefined)
        }
        signal.addEventListener('abort', leave, { once: true })
        void pump(reader, controller, end).finally(() => signal.removeEventListener('abort', leave))
        if (signal.aborted) leave()
      },
      cancel(reason) {
        end('closed')
        return reader.cancel(reason)
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: MAX_UNREAD }),
  )
  return new Response(body, { status: response.status, headers: response.headers })
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  controller: ReadableStreamDefaultController<Uint8Array>,
  end: (how: StreamEnd) => boolean,
): Promise<void> {
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) {
        if (end('closed')) controller.close()
        return
      }
      controller.enqueue(value)
      if ((controller.desiredSize ?? 0) > 0) continue
      if (end('too-slow')) controller.error(new Error('the client reads too slowly'))
      await reader.cancel()
      return
    }
  } catch (error) {
    // Enqueueing fails on a stream that has ended meanwhile: its reader was cancelled then.
    if (end('closed')) controller.error(error)
  }
}
