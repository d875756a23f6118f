import type { ServerResponse } from 'node:http'
import type { LiveEvent } from './live-event.ts'

const HEARTBEAT_MS = 15_000
/** A reader this far behind is cut off; it may come again. */
const MAX_BEHIND_BYTES = 1024 * 1024

/**
 * Sends events as server-sent events (WHATWG HTML, "Server-sent events") until the reader goes, falls behind, or `signal` is aborted.
 */
export function streamEvents(
  response: ServerResponse,
  follow: (listener: (event: LiveEvent) => void) => () => void,
  signal: AbortSignal,
): void {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  const write = (text: string) => {
    response.write(text)
    if (response.writableLength > MAX_BEHIND_BYTES) response.destroy()
  }
  write(': events from now on\n\n')
  const unfollow = follow((event) => write(`data: ${JSON.stringify(event)}\n\n`))
  const heartbeat = setInterval(() => write(':\n\n'), HEARTBEAT_MS)
  const end = () => response.end()
  response.once('close', () => {
    clearInterval(heartbeat)
    unfollow()
    signal.removeEventListener('abort', end)
  })
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
}
