import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { NODE } from '../koi-mcp.ts'
import type { Holdings, NetworkCall, NodeSettings, Order, Ready } from './node-process.ts'

export type Role = NodeSettings['role']
export const ROLES = ['coordinator', 'producer', 'consumer'] as const

/** Whole buffers, and what each descriptor is. */
const STRACE = ['-f', '-yy', '-s', '65536', '-e', 'trace=read,write,writev,pwrite64,fsync,fdatasync']
const PROGRAM = fileURLToPath(new URL('node-process.ts', import.meta.url))

/** A node in a process of its own, that can be killed and started again. */
export class NodeProcess {
  readonly settings: NodeSettings
  #process: ChildProcess | undefined
  #rid = ''
  #pid = 0
  #ended: Promise<NodeJS.Signals | null> = Promise.resolve(null)
  #orders = 0
  readonly #answers = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()

  readonly #trace: string | undefined

  /** @param trace a file for the system calls of the process */
  constructor(settings: NodeSettings, trace?: string) {
    this.settings = settings
    this.#trace = trace
  }

  get origin(): string {
    return `http://127.0.0.1:${this.settings.port}`
  }

  get baseUrl(): string {
    return `${this.origin}/koi-net`
  }

  /** Of the node, once it has started. */
  get rid(): string {
    return this.#rid
  }

  /** Resolves once the node serves. */
  async start(): Promise<void> {
    const tracer = this.#trace === undefined ? undefined : [...STRACE, '-o', this.#trace, NODE]
    const started = fork(PROGRAM, [JSON.stringify(this.settings)], {
      execPath: tracer === undefined ? NODE : 'strace',
      execArgv: [...(tracer ?? []), '--conditions=@koi-mcp/source'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#process = started
    this.#ended = once(started, 'exit').then(([, signal]) => signal as NodeJS.Signals | null)
    void this.#ended.then(() => {
      for (const { reject } of this.#answers.values()) reject(new Died())
      this.#answers.clear()
    })
    const { rid, pid } = await new Promise<Ready>((resolve, reject) => {
      void this.#ended.then(() => reject(new Error(`the ${this.settings.role} ended before it served`)))
      started.on('message', (message: { ready?: Ready; id?: number; answer?: unknown; error?: string }) => {
        if (message.ready !== undefined) return resolve(message.ready)
        const waiting = this.#answers.get(message.id ?? -1)
        this.#answers.delete(message.id ?? -1)
        if (message.error === undefined) waiting?.resolve(message.answer)
        else waiting?.reject(new Error(message.error))
      })
    })
    this.#rid = rid
    this.#pid = pid
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.#pid, signal)
  }

  /** @throws Died when the process ended before it answered */
  order(order: Order): Promise<unknown> {
    const id = ++this.#orders
    return new Promise((resolve, reject) => {
      this.#answers.set(id, { resolve, reject })
      this.#process?.send({ id, order }, (error) => {
        if (error !== null) reject(new Died())
      })
    })
  }

  async holdings(): Promise<Holdings> {
    return (await this.order({ do: 'tell' })) as Holdings
  }

  /** Starts the process again that was armed, once it has killed itself. */
  async restartAfterDeath(): Promise<void> {
    const signal = await Promise.race([this.#ended, wait(100_000, 'it lives')])
    if (signal !== 'SIGKILL')
      throw new Error(`the ${this.settings.role} was to be killed at its fault point: ${signal}`)
    await this.start()
  }

  async kill(): Promise<void> {
    this.#process?.kill('SIGKILL')
    await this.#ended
  }

  /** Lets it end by itself, for whoever traces it would let it live on. */
  async end(): Promise<void> {
    this.#process?.disconnect()
    await this.#ended
  }

  /** Calls of the handler in the Network phase, over all starts; the same call again behind itself left out. */
  async networkCalls(rid: string): Promise<readonly NetworkCall[]> {
    const text = await readFile(join(this.settings.state, 'network-phase.jsonl'), 'utf8')
    const lines = text.split('\n').filter((line, index, all) => line !== '' && line !== all[index - 1])
    return lines.map((line) => JSON.parse(line) as NetworkCall).filter((call) => call.rid === rid)
  }
}

/** The process ended before it answered: what was ordered may have been done or not. */
export class Died extends Error {
  constructor() {
    super('the process ended before it answered')
  }
}

/** A coordinator, a producer and a consumer on loopback, each in a process and a folder of its own. */
export class FaultNetwork {
  readonly folder: string
  readonly nodes: Readonly<Record<Role, NodeProcess>>

  private constructor(folder: string, nodes: Record<Role, NodeProcess>) {
    this.folder = folder
    this.nodes = nodes
  }

  /** Ready when each knows of all, and the producer serves the other two. */
  static async up({ polling = false } = {}): Promise<FaultNetwork> {
    const folder = await mkdtemp(join(tmpdir(), 'koi-faults-'))
    const coordinator = await nodeIn(folder, 'coordinator')
    const firstContact = coordinator.baseUrl
    const nodes = {
      coordinator,
      producer: await nodeIn(folder, 'producer', { firstContact }),
      consumer: await nodeIn(folder, 'consumer', { firstContact, partial: polling }),
    }
    const network = new FaultNetwork(folder, nodes)
    await coordinator.start()
    await Promise.all([nodes.producer.start(), nodes.consumer.start()])
    await network.until(
      'each is subscribed to the others',
      ({ coordinator: { edges }, producer, consumer }) =>
        edges.length === 5 &&
        edges.length === new Set([...edges, ...producer.edges, ...consumer.edges]).size &&
        edges.every((edge) => edge.endsWith(' APPROVED')),
    )
    return network
  }

  async holdings(): Promise<Record<Role, Holdings>> {
    const held = await Promise.all(ROLES.map(async (role) => [role, await this.nodes[role].holdings()] as const))
    return Object.fromEntries(held) as Record<Role, Holdings>
  }

  /** What the nodes hold as soon as the condition is met and nothing is left to be done anywhere. */
  async until(what: string, met: (held: Record<Role, Holdings>) => boolean): Promise<Record<Role, Holdings>> {
    const deadline = performance.now() + 100_000
    for (;;) {
      const held = await this.holdings()
      const quiet = ROLES.every((role) => held[role].inbox.pending === 0 && held[role].queued === 0)
      if (quiet && met(held)) return held
      if (performance.now() > deadline) throw new Error(`not within 100 s: ${what}\n${JSON.stringify(held, null, 1)}`)
      await wait(10)
    }
  }

  async down(): Promise<void> {
    await Promise.all(ROLES.map((role) => this.nodes[role].kill()))
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

async function nodeIn(
  folder: string,
  role: Role,
  more: { firstContact?: string; partial?: boolean } = {},
): Promise<NodeProcess> {
  const state = join(folder, role)
  await mkdir(state, { mode: 0o700 })
  return new NodeProcess({ role, state, port: await freePort(), ...more })
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
