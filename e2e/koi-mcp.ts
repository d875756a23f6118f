import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

/** The pinned Node, whatever Node the tests themselves run on. */
export const NODE = path('../node_modules/node/bin/node')
const CLI = path('../apps/cli/dist/main.js')

type Role = 'coordinator' | 'producer' | 'consumer'

export interface Service {
  readonly role: Role
  readonly name: string
  readonly url: string
  readonly koi_net_url: string
  readonly node_rid: string
  readonly mcp_url?: string
  readonly pids: readonly number[]
}

export type Servers = Readonly<Record<string, { readonly pid?: number; readonly url: string }>>

/** The `ready` line, and what follows when other processes run. */
export interface Running {
  readonly services: readonly Service[]
  readonly servers?: Servers
}

/** Many processes start, on a machine that may have much to do. */
const STARTED_MS = 300_000

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A started `koi-mcp`, in a process group of its own. Its lines are kept as they come; nothing of it outlives the test. */
export class Command {
  readonly process: ChildProcess
  readonly out: string[] = []
  readonly err: string[] = []
  readonly exited: Promise<Exit>

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.process = spawn(NODE, [CLI, ...args], {
      cwd: options.cwd ?? tmpdir(),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const lines = [
      [this.process.stdout, this.out],
      [this.process.stderr, this.err],
    ] as const
    for (const [stream, kept] of lines) createInterface({ input: stream! }).on('line', (line) => kept.push(line))
    this.exited = once(this.process, 'close').then(([code, signal]) => ({ code, signal }))
    onTestFinished(() => this.killGroup())
  }

  get pid(): number {
    return this.process.pid!
  }

  /** `kill -9` of it and of every process that it started. */
  async killGroup(): Promise<void> {
    signalTo(-this.pid, 'SIGKILL')
    await this.exited
  }

  /** The first answer that is not `undefined`; fails with all output when the command ends before. */
  async until<T>(look: () => T | undefined, ms?: number): Promise<T> {
    let exit: Exit | undefined
    void this.exited.then((ended) => (exit = ended))
    const found = await eventually(() => look() ?? (exit === undefined ? undefined : new Error('it ended')), ms)
    if (found instanceof Error) throw new Error(`${found.message} (${JSON.stringify(exit)}):\n${this.everything}`)
    return found
  }

  get everything(): string {
    return `${this.out.join('\n')}\n${this.err.join('\n')}`
  }
}

/** Runs a command to its end. */
export const koiMcp = async (args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) => {
  const command = new Command(args, options)
  const { code } = await command.exited
  return { code, out: command.out, err: command.err }
}

/** A whole network under `koi-mcp up --json`. */
export class Network {
  readonly command: Command
  readonly services: readonly Service[]
  /** Database servers that it started. */
  readonly servers: Servers

  private constructor(command: Command, services: readonly Service[], servers: Servers) {
    this.command = command
    this.services = services
    this.servers = servers
  }

  static async up(
    place: Place,
    options: { port?: number; args?: readonly string[]; env?: NodeJS.ProcessEnv } = {},
  ): Promise<Network> {
    const port = String(options.port ?? 0)
    const args = ['up', '--json', '--port', port, '--data', place.data, '--state', place.state, ...(options.args ?? [])]
    const command = new Command(args, options)
    const first = await command.until(() => command.out[0], STARTED_MS)
    const { event, services, servers = {} } = JSON.parse(first) as { event: string } & Running
    if (event !== 'ready') throw new Error(`the first line is ${first}`)
    return new Network(command, services, servers)
  }

  service(role: Role): Service {
    return this.services.find((service) => service.role === role)!
  }

  get mcpUrl(): URL {
    return new URL(this.service('consumer').mcp_url!)
  }

  /** Events so far, without the ready line. */
  get events(): readonly Readonly<Record<string, unknown>>[] {
    return this.command.out.slice(1).map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** The processes as they were last told of. */
  get replicas(): Running {
    const { services, servers } = this
    return (this.events.findLast(({ event }) => event === 'replicas') as Running | undefined) ?? { services, servers }
  }

  pidsOf(role: Role): readonly number[] {
    return this.replicas.services.find((service) => service.role === role)!.pids
  }

  /** What a node knows of a type, by its own API. */
  async rids(type: string, role: Role = 'consumer'): Promise<readonly string[]> {
    const all: string[] = []
    for (let after: string | null = ''; after !== null;) {
      const query = new URLSearchParams({ types: type, limit: '1000', ...(after && { after }) })
      const response = await fetch(`${this.service(role).url}/api/rids?${query.toString()}`)
      // One that cannot be asked now knows of none.
      const { rids = [], next = null } = (await response.json()) as { rids?: string[]; next?: string | null }
      all.push(...rids)
      after = next
    }
    return all
  }

  /** Resolves when the gateway knows exactly these datasets. */
  async catalogued(rids: readonly string[], ms?: number): Promise<void> {
    const wanted = JSON.stringify([...rids].sort(byteOrder))
    let known = ''
    const alike = async () => {
      known = JSON.stringify(await this.rids(DATASET))
      return known === wanted ? true : undefined
    }
    await eventually(alike, ms).catch(() => {
      throw new Error(`the gateway knows ${known}, not ${wanted}\n${this.command.everything}`)
    })
  }

  /** The processes of the three services, as the state folder names them. */
  async pids(place: Place): Promise<Readonly<Record<Role, number>>> {
    const file = JSON.parse(await readFile(join(place.state, 'network.json'), 'utf8')) as {
      services: { role: Role; pids: [number] }[]
    }
    return Object.fromEntries(file.services.map(({ role, pids: [pid] }) => [role, pid])) as Record<Role, number>
  }
}

const DATASET = 'orn:data-catalog.dataset'

export interface Place {
  readonly folder: string
  readonly data: string
  readonly state: string
}

/** A folder of the test's own, gone after it. */
export const place = async (): Promise<Place> => {
  const folder = await mkdtemp(join(tmpdir(), 'koi-e2e-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }))
  await mkdir(join(folder, 'data'))
  return { folder, data: join(folder, 'data'), state: join(folder, 'state') }
}

/** Asks again until there is an answer; the wait is bounded, its length is nothing that is tested. */
export const eventually = async <T>(look: () => T | undefined | Promise<T | undefined>, ms = 100_000): Promise<T> => {
  const deadline = performance.now() + ms
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${look.toString()}`)
    await wait(50)
  }
}

export const isAlive = (pid: number): boolean => signalTo(pid, 0)

export const signalTo = (pid: number, signal: NodeJS.Signals | 0): boolean => {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

export const byteOrder = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
