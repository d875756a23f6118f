import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { once } from 'node:events'

export interface Answer {
  readonly status: number
  /** Absent where it was not asked for: then only its length is looked at. */
  readonly body?: string
}

/** An HTTP/1.1 POST as bytes, made before anything is measured. */
export function postBytes(url: URL, path: string, body: string): Buffer {
  const bytes = Buffer.from(body, 'utf8')
  const head = [
    `POST ${url.pathname.replace(/\/+$/, '')}${path} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/json',
    `content-length: ${bytes.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

/**
 * One kept connection, one request at a time. A client of a few lines: the ones there are cost as much as the servers that are measured.
 * It reads answers with a Content-Length, which both servers give.
 */
export class HttpLane {
  readonly #socket: Socket
  #chunks: Buffer[] = []
  #received = 0
  #expected: { head: number; total: number } | undefined
  #keep = false
  #answered: PromiseWithResolvers<Answer> | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
    socket.on('error', (error) => this.#fail(error))
  }

  static async open(url: URL): Promise<HttpLane> {
    const socket = connect({ host: url.hostname, port: Number(url.port) })
    await once(socket, 'connect')
    return new HttpLane(socket)
  }

  post(request: Buffer, { keepBody = false } = {}): Promise<Answer> {
    this.#keep = keepBody
    this.#answered = Promise.withResolvers()
    this.#socket.write(request)
    return this.#answered.promise
  }

  close(): void {
    this.#answered = undefined
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#answered?.reject(error)
    this.#answered = undefined
  }

  #read(chunk: Buffer): void {
    this.#received += chunk.length
    if (this.#expected === undefined || this.#keep) this.#chunks.push(chunk)
    this.#expected ??= this.#readHead()
    if (this.#expected === undefined || this.#received < this.#expected.total) return
    const bytes = Buffer.concat(this.#chunks)
    const status = Number(bytes.toString('latin1', 9, 12))
    const answer = this.#keep ? { status, body: bytes.toString('utf8', this.#expected.head) } : { status }
    this.#chunks = []
    this.#received = 0
    this.#expected = undefined
    const answered = this.#answered
    this.#answered = undefined
    answered?.resolve(answer)
  }

  #readHead(): { head: number; total: number } | undefined {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
    const end = bytes.indexOf('\r\n\r\n')
    if (end < 0) return undefined
    const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, end + 2))?.[1]
    if (length === undefined) {
      this.#fail(new Error('an answer without Content-Length'))
      return undefined
    }
    return { head: end + 4, total: end + 4 + Number(length) }
  }
}
