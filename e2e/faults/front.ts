import { createServer, request } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What becomes of the requests: passed on, cut off, answered after `SLOW_MS`, or answered 200 without being looked at. */
export type Manner = 'passes' | 'cuts' | 'slow' | 'lies'

export const SLOW_MS = 30_000

/** Stands before a node, at the address that others know, and behaves as it is told. */
export class Front {
  manner: Manner = 'passes'
  /** RIDs of the events that came through, in order. */
  readonly events: string[] = []
  /** How many slow requests were answered. */
  answeredLate = 0
  readonly #server: Server
  #port = 0

  private constructor() {
    this.#server = createServer((incoming, response) => void this.#handle(incoming, response))
  }

  static async open(): Promise<Front> {
    const front = new Front()
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve))
    return front
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/koi-net`
  }

  /** Port of the node behind it. */
  before(port: number): void {
    this.#port = port
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const { manner } = this
    if (manner === 'cuts') return void incoming.socket.destroy()
    const body = Buffer.concat(await incoming.toArray())
    if (manner === 'lies') return void response.writeHead(200).end()
    if (manner === 'slow') await wait(SLOW_MS)
    this.#note(body)
    const { method, headers, url: path } = incoming
    const onward = request({ port: this.#port, host: '127.0.0.1', path, method, headers }, (reply) => {
      if (manner === 'slow') this.answeredLate += 1
      response.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(response)
    })
    onward.on('error', () => response.destroy())
    onward.end(body)
  }

  #note(body: Buffer): void {
    const { payload } = JSON.parse(String(body)) as { payload: { type: string; events?: { rid: string }[] } }
    for (const { rid } of payload.events ?? []) this.events.push(rid)
  }
}
