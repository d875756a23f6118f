import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { FromTarget, Health } from './target-process.ts'

export interface Reply {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** From the first byte sent to the last byte received, in ms. */
  readonly ms: number
}

/** Posts a body. Without an agent, on a connection of its own. */
export async function post(
  url: string,
  body: Buffer,
  options: { headers?: Readonly<Record<string, string>>; agent?: Agent; localAddress?: string },
): Promise<Reply> {
  const since = performance.now()
  const { headers = { 'content-type': 'application/json' }, agent = false, localAddress } = options
  const length = 'transfer-encoding' in headers ? {} : { 'content-length': String(body.length) }
  const all = { method: 'POST', agent, headers: { ...headers, ...length }, ...(localAddress && { localAddress }) }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const ask = () => {
      const asked = request(url, all, resolve).on('error', (error: NodeJS.ErrnoException) => {
        // A connection that was idle may be closed while it is taken again: that is nobody's fault.
        if (asked.reusedSocket && error.code === 'ECONNRESET') ask()
        else reject(error)
      })
      asked.end(body)
    }
    ask()
  })
  const read = { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
  return { ...read, ms: performance.now() - since }
}

/** A node in a process of its own. */
export class Target {
  readonly url: string
  readonly rid: Rid
  readonly canaries: readonly string[]
  readonly #child: ChildProcess
  readonly #ended: Promise<never>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 })

  private constructor(
    child: ChildProcess,
    { url, rid, canaries }: { url: string; rid: string; canaries: readonly string[] },
  ) {
    this.#child = child
    this.#ended = once(child, 'exit').then(() => Promise.reject(new Error('the target process has ended')))
    this.#ended.catch(() => undefined)
    this.url = url
    this.rid = asRid(rid)
    this.canaries = canaries
  }

  static async start(authority: 'origin' | 'open'): Promise<Target> {
    const file = fileURLToPath(new URL('./target-process.ts', import.meta.url))
    const child = fork(file, [authority], { execArgv: ['--expose-gc', '--conditions=@koi-mcp/source'] })
    const [message] = (await once(child, 'message')) as [FromTarget]
    if (!('ready' in message)) throw new Error('the target did not start')
    return new Target(child, message.ready)
  }

  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** @param idle after everything that it has accepted is worked off */
  async health(idle = false): Promise<Health> {
    const told = once(this.#child, 'message') as Promise<[FromTarget]>
    this.#child.send(idle ? 'idle' : 'health')
    const [message] = await Promise.race([told, this.#ended])
    if (!('health' in message)) throw new Error('the target answered something else')
    return message.health
  }

  call(path: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<Reply> {
    return post(`${this.url}${path}`, body, { headers, agent: this.#agent })
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    if (!this.isAlive) return
    const ended = once(this.#child, 'exit')
    this.#child.send('stop')
    await ended
  }
}
