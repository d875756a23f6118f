import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { CliError } from '../errors.ts'
import { readNetworkEvent } from '../network-event.ts'
import type { NetworkEvent } from '../network-event.ts'
import { APP_OF, mainOf } from '../roles.ts'
import type { Role } from '../roles.ts'
import type { RunningService } from '../state-folder.ts'
import { logText, readLogLine } from './log-line.ts'
import type { LogLine } from './log-line.ts'
import type { ServicePlan } from './service-plan.ts'

/** What is told of a service while it runs. */
export interface ServiceListener {
  /** `name`: of the application, with the number of the replica where there may be several. */
  onLog(name: string, line: LogLine): void
  onEvent(role: Role, event: NetworkEvent): void
}

const KEPT_LINES = 12

/** Traces are off unless OTEL_* variables ask for them. */
const TRACED = ['--import', new URL('../../../../libs/platform/dist/traces/register.js', import.meta.url).href]

/**
 * A service as a child process. The channel between the two is also how it ends: closing it asks the service to drain and go, and it closes by
 * itself when `koi-mcp up` is killed. (Signals would not do: some reach the whole process group, and the second one kills.)
 */
export class ServiceProcess {
  readonly role: Role
  readonly pid: number
  /** Resolves with how it ended (`exit code 1`, `killed by SIGKILL`) when the process is gone and all it wrote was read. */
  readonly exited: Promise<string>
  readonly #name: string
  readonly #child: ChildProcess
  readonly #ready = Promise.withResolvers<RunningService>()
  readonly #lastLines: LogLine[] = []
  /** Why it could not start, in its own words. */
  #failure: string | undefined

  constructor(plan: ServicePlan, listener: ServiceListener, name: string = APP_OF[plan.role]) {
    const main = fileURLToPath(mainOf(plan.role))
    if (!existsSync(main))
      throw new CliError(`${main} is missing: the services are not built. Run "npm run build" first.`)
    this.role = plan.role
    this.#name = name
    const env = { OTEL_SERVICE_NAME: `koi-mcp-${APP_OF[plan.role]}`, ...plan.env }
    const child = fork(main, [], { env, execArgv: TRACED, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    this.#child = child
    this.pid = child.pid ?? 0
    for (const output of [child.stdout, child.stderr]) this.#follow(output, listener)
    this.exited = this.#end(child)
    child.on('message', (message) => this.#read(message, listener))
  }

  /** Resolves when the service answers; rejects with a `CliError` that holds its last words when it ends before, or with the signal's reason. */
  async ready(signal: AbortSignal): Promise<RunningService> {
    signal.throwIfAborted()
    const stopped = Promise.withResolvers<never>()
    const onAbort = (): void => stopped.reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([this.#ready.promise, this.died('could not start'), stopped.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Rejects when the process is gone. A reason that the service gave itself says it all; else its last log lines follow. */
  async died(what: string): Promise<never> {
    const how = await this.exited
    const name = this.#name
    if (this.#failure !== undefined) throw new CliError(`The ${name} ${what}: ${this.#failure}`)
    const last = this.#lastLines.map((line) => `  ${logText(line)}`)
    const words = last.length === 0 ? [] : ['Its last words:', ...last]
    throw new CliError([`The ${name} ${what} (${how}).`, ...words].join('\n'))
  }

  /** Asks the service to drain and to end; after `graceMs` milliseconds, or when hurried, it is killed. Resolves when it is gone. */
  async stop(graceMs: number, hurry: AbortSignal): Promise<void> {
    const kill = (): void => void this.#child.kill('SIGKILL')
    const timer = setTimeout(kill, hurry.aborted ? 0 : graceMs)
    hurry.addEventListener('abort', kill, { once: true })
    if (this.#child.connected) this.#child.disconnect()
    await this.exited
    clearTimeout(timer)
    hurry.removeEventListener('abort', kill)
  }

  /** Not `close`: that never comes where this side has closed the channel. */
  async #end(child: ChildProcess): Promise<string> {
    const ends = [child.stdout, child.stderr].map((output) => output !== null && once(output, 'close'))
    const how = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `killed by ${signal}`))
      child.once('error', (error) => resolve(error.message))
    })
    await Promise.all([how, ...ends])
    return how
  }

  #follow(output: Readable | null, listener: ServiceListener): void {
    if (output === null) return
    createInterface({ input: output }).on('line', (text) => {
      const line = readLogLine(text)
      this.#lastLines.push(line)
      if (this.#lastLines.length > KEPT_LINES) this.#lastLines.shift()
      listener.onLog(this.#name, line)
    })
  }

  /** `{event: 'ready', name, url, …}`, `{event: 'failed', message}`, or `{event: 'network', …}` with what happened in the node. */
  #read(message: unknown, listener: ServiceListener): void {
    if (typeof message !== 'object' || message === null) return
    const { event, name, url, koi_net_url, node_rid, mcp_url, message: why } = message as Record<string, string>
    if (event === 'failed') this.#failure = why
    if (event === 'network') {
      const happening = readNetworkEvent(message)
      if (happening !== undefined) listener.onEvent(this.role, happening)
    }
    if (event !== 'ready' || name === undefined || url === undefined) return
    if (koi_net_url === undefined || node_rid === undefined) return
    const addresses = { url, koi_net_url, node_rid, ...(mcp_url === undefined ? {} : { mcp_url }) }
    this.#ready.resolve({ role: this.role, name, pids: [this.pid], ...addresses })
  }
}
