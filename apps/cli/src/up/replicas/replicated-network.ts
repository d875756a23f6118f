import { ROLES } from '../../roles.ts'
import type { Role } from '../../roles.ts'
import { backendSettings } from '../backend.ts'
import type { Backend } from '../backend.ts'
import type { LocalNetwork, Running } from '../running.ts'
import { Servers } from '../servers/servers.ts'
import type { FirstContact, NetworkPlan } from '../service-plan.ts'
import type { ServiceListener } from '../service-process.ts'
import { warning } from '../log-line.ts'
import { ReplicaSet } from './replica-set.ts'

export interface ReplicatedNetworkOptions {
  readonly plan: NetworkPlan
  readonly backend: Backend
  /** Processes of each role. */
  readonly replicas: number
  readonly listener: ServiceListener
  readonly say: (text: string) => void
  /** Told when a process is another, or gone, once all of them have started. */
  readonly onChange: (running: Running) => void
}

/** Three nodes of several processes each, and the servers that those share. Whatever ends unasked is started again. */
export class ReplicatedNetwork implements LocalNetwork {
  readonly #options: ReplicatedNetworkOptions
  readonly #servers: Servers
  readonly #sets: ReplicaSet[] = []
  #isStarted = false

  constructor(options: ReplicatedNetworkOptions) {
    const { plan, backend, listener, say } = options
    this.#options = options
    this.#servers = new Servers({
      ...{ backend, say, state: plan.state, env: plan.env },
      onChange: () => this.#changed(),
      warn: (title, message) => listener.onLog(title, warning(message)),
    })
  }

  async start(signal: AbortSignal): Promise<Running> {
    const { plan, backend, replicas, say } = this.#options
    const urls = await this.#servers.start(signal)
    say(`Starting coordinator, producer and mcp-gateway, ${replicas} of each…`)
    const settled = { ...plan, backend: backendSettings(backend, urls) }
    const [first, ...others] = ROLES
    const firstContact = await (await this.#listen(first, settled)).start(signal)
    // In their order, also where one fails.
    const sets: ReplicaSet[] = []
    for (const role of others) sets.push(await this.#listen(role, settled, firstContact))
    const started = await Promise.allSettled(sets.map((set) => set.start(signal)))
    for (const result of started) if (result.status === 'rejected') throw result.reason
    this.#isStarted = true
    return this.running
  }

  get running(): Running {
    return { services: this.#sets.map(({ running }) => running), servers: this.#servers.running }
  }

  died(): Promise<never> {
    return new Promise(() => undefined)
  }

  /** Replaces every process of the services, one at a time. Rejects where one cannot be replaced, which then runs on. */
  async restart(signal: AbortSignal): Promise<void> {
    for (const set of this.#sets) await set.restart(signal, (name) => this.#options.say(`Restarted ${name}.`))
  }

  async stop(hurry: AbortSignal): Promise<void> {
    this.#isStarted = false
    for (const set of this.#sets.toReversed()) await set.stop(hurry)
    await this.#servers.stop()
  }

  async #listen(role: Role, plan: NetworkPlan, firstContact?: FirstContact): Promise<ReplicaSet> {
    const { replicas: count, listener } = this.#options
    const set = await ReplicaSet.listen({ role, count, plan, firstContact, listener, onChange: () => this.#changed() })
    this.#sets.push(set)
    return set
  }

  #changed(): void {
    if (this.#isStarted) this.#options.onChange(this.running)
  }
}
