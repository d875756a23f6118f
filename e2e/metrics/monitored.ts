import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { NODE } from '../koi-mcp.ts'
import { freePort } from '../faults/network.ts'

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

const PROGRAMS = {
  coordinator: path('../../apps/coordinator/dist/main.js'),
  producer: path('../../apps/producer/dist/main.js'),
  'mcp-gateway': path('../../apps/mcp-gateway/dist/main.js'),
  faulty: fileURLToPath(new URL('faulty-service.ts', import.meta.url)),
}

/** A service with metrics, on ports that stay its own when it is started again. */
export class Monitored {
  readonly url: string
  /** Host and port, as Prometheus wants them. */
  readonly target: string
  readonly #name: keyof typeof PROGRAMS
  readonly #env: NodeJS.ProcessEnv
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  private constructor(
    name: keyof typeof PROGRAMS,
    ports: readonly [number, number],
    env: NodeJS.ProcessEnv,
    args: readonly string[],
  ) {
    this.#name = name
    this.url = `http://127.0.0.1:${ports[0]}`
    this.target = `127.0.0.1:${ports[1]}`
    this.#env = env
    this.#args = args
  }

  /** @param args of Node */
  static async of(
    name: keyof typeof PROGRAMS,
    folder: string,
    env: NodeJS.ProcessEnv = {},
    args: readonly string[] = [],
  ): Promise<Monitored> {
    const ports = [await freePort(), await freePort()] as const
    const settings = {
      KOI_MCP_NODE__NAME: name,
      KOI_MCP_NODE__PORT: String(ports[0]),
      KOI_MCP_METRICS__PORT: String(ports[1]),
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(folder, name),
      KOI_MCP_LOGGING__FORMAT: 'json',
    }
    return new Monitored(name, ports, { ...process.env, ...settings, ...env }, args)
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const child = spawn(NODE, [...this.#args, PROGRAMS[this.#name]], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    const said: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => said.push(line))
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line)
      if (!line.includes('"msg":"ready"')) continue
      child.stdout.resume()
      return
    }
    throw new Error(`the ${this.#name} ended:\n${said.join('\n')}`)
  }

  async kill(): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  async metrics(): Promise<string> {
    return await (await fetch(`http://${this.target}/metrics`)).text()
  }

  async post(to: string, body: string): Promise<number> {
    const headers = { 'content-type': 'application/json' }
    const { status } = await fetch(`${this.url}${to}`, { method: 'POST', headers, body })
    return status
  }
}
