import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface RawReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Sends bytes, however wrong they are, and reads what comes back until the server closes or that many replies are whole. */
export function sendRaw(
  url: string,
  parts: readonly (string | Uint8Array)[],
  options: { readonly replies?: number; readonly halfClose?: boolean } = {},
): Promise<readonly RawReply[]> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connectTo(url, () => {
      for (const part of parts) socket.write(part)
      if (options.halfClose === true) socket.end()
    })
    const end = () => {
      socket.destroy()
      resolve(repliesIn(Buffer.concat(chunks)))
    }
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      const got = repliesIn(Buffer.concat(chunks)).filter(({ status }) => status >= 200).length
      if (got >= (options.replies ?? 1)) end()
    })
    // What it says before it resets the connection counts.
    socket
      .on('error', () => undefined)
      .on('end', end)
      .on('close', end)
  })
}

export function connectTo(url: string, listener: () => void, localAddress?: string): Socket {
  const { hostname, port } = new URL(url)
  return connect(
    { host: hostname, port: Number(port), allowHalfOpen: true, ...(localAddress && { localAddress }) },
    listener,
  )
}

/** The whole replies in what came so far; those of status 100 among them. */
function repliesIn(bytes: Buffer): RawReply[] {
  const replies: RawReply[] = []
  let rest = bytes.toString('latin1')
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) return replies
    const [first = '', ...lines] = rest.slice(0, headEnd).split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const status = Number(first.split(' ')[1])
    const length = status === 100 ? 0 : Number(headers['content-length'] ?? 0)
    const body = rest.slice(headEnd + 4, headEnd + 4 + length)
    if (body.length < length) return replies
    replies.push({ status, headers, body: Buffer.from(body, 'latin1').toString() })
    rest = rest.slice(headEnd + 4 + length)
  }
}
