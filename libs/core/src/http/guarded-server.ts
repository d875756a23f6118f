import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../logger.ts'

export interface GuardedServerOptions {
  readonly log: Logger
  /** Connections at a time; default 1,000. */
  readonly maxConnections?: number
  /** In which the head of a request must have come, from the first byte of the connection on; default 10,000 ms. */
  readonly headMs?: number
  /** In which the whole request must have come; default 60,000 ms. */
  readonly requestMs?: number
}

/** An HTTP server that nobody holds up: its connections, the time that a request may take to come, and the length of its head are bounded. */
export function guardedServer(
  listener: RequestListener,
  { log, maxConnections = 1_000, headMs = 10_000, requestMs = 60_000 }: GuardedServerOptions,
): Server {
  const connections = new Connections(maxConnections)
  const server = createServer(
    {
      headersTimeout: headMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(2_000, headMs),
      keepAliveTimeout: 5_000,
      maxHeaderSize: MAX_HEAD,
    },
    (request, response) => {
      connections.begin(request.socket)
      response.once('close', () => connections.end(request.socket))
      listener(request, response)
    },
  )
  server.on('connection', (socket) => connections.add(socket))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const [status, detail] = HEAD_ERRORS[error.code ?? ''] ?? [
      '400 Bad Request',
      'The request is no HTTP that is understood here',
    ]
    // Nobody is there to be told.
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
    // One that ends in the middle of a head is no news.
    if (error.code !== 'HPE_INVALID_EOF_STATE') {
      log.info('refused a connection', { from: (socket as Socket).remoteAddress, error: error.message })
    }
    const body = JSON.stringify({ detail })
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`
    socket.end(`${head}\r\n\r\n${body}`, () => socket.destroy())
  })
  return server
}

const MAX_HEAD = 16 * 1024
const HEAD_ERRORS: Readonly<Record<string, readonly [string, string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    `The head of the request is longer than ${MAX_HEAD} bytes`,
  ],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['413 Payload Too Large', 'The chunk extensions are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time'],
}

/** Where there are too many connections, the address with the most of them loses the one that has been idle longest. */
class Connections {
  readonly #most: number
  readonly #idle = new Map<string, Set<Socket>>()
  readonly #count = new Map<string, number>()
  readonly #requests = new WeakMap<Socket, number>()
  #total = 0

  constructor(most: number) {
    this.#most = most
  }

  add(socket: Socket): void {
    const address = socket.remoteAddress ?? ''
    this.#total += 1
    this.#count.set(address, (this.#count.get(address) ?? 0) + 1)
    this.#idleOf(address).add(socket)
    socket.once('close', () => this.#remove(address, socket))
    if (this.#total > this.#most) this.#drop(socket)
  }

  begin(socket: Socket): void {
    this.#requests.set(socket, (this.#requests.get(socket) ?? 0) + 1)
    this.#idle.get(socket.remoteAddress ?? '')?.delete(socket)
  }

  end(socket: Socket): void {
    const left = (this.#requests.get(socket) ?? 1) - 1
    this.#requests.set(socket, left)
    if (left === 0 && !socket.destroyed) this.#idleOf(socket.remoteAddress ?? '').add(socket)
  }

  #idleOf(address: string): Set<Socket> {
    const idle = this.#idle.get(address) ?? new Set()
    this.#idle.set(address, idle)
    return idle
  }

  #remove(address: string, socket: Socket): void {
    this.#total -= 1
    const left = (this.#count.get(address) ?? 1) - 1
    this.#idle.get(address)?.delete(socket)
    if (left > 0) return void this.#count.set(address, left)
    this.#count.delete(address)
    this.#idle.delete(address)
  }

  #drop(newest: Socket): void {
    const [largest] = [...this.#count].sort(([, a], [, b]) => b - a)
    const [oldest = newest] = this.#idle.get(largest?.[0] ?? '') ?? []
    oldest.destroy()
  }
}
