import { APP_OF } from '../../roles.ts'
import type { Role } from '../../roles.ts'
import type { RunningService } from '../../state-folder.ts'
import { Balancer } from '../balancer/balancer.ts'
import type { Target } from '../balancer/target.ts'
import { Kept } from '../keeping/kept.ts'
import type { Keepable } from '../keeping/kept.ts'
import { warning } from '../log-line.ts'
import { planService, portOf } from '../service-plan.ts'
import type { FirstContact, NetworkPlan } from '../service-plan.ts'
import { ServiceProcess } from '../service-process.ts'
import type { ServiceListener } from '../service-process.ts'

/** How long a replica that is taken out may have for what it was sent, before it is told to end; in milliseconds. */
const IDLE_WITHIN_MS = 30_000
/** The same where all of them end. */
const LAST_IDLE_WITHIN_MS = 1_000
/** How long it then has to end. The services give what still runs half of that. */
const STOP_WITHIN_MS = 10_000

/** A replica that answers. */
interface Replica extends Keepable {
  readonly service: ServiceProcess
  readonly ready: RunningService
  target?: Target
}

export interface ReplicaOptions {
  readonly role: Role
  readonly count: number
  readonly plan: NetworkPlan
  readonly firstContact?: FirstContact | undefined
  readonly listener: ServiceListener
  /** Told when the process of a replica is another, or gone. */
  readonly onChange: () => void
}

/** All replicas of one node, behind one address: processes that share key, name and store. */
export class ReplicaSet {
  readonly #options: ReplicaOptions
  readonly #balancer: Balancer
  readonly #replicas: readonly Kept<Replica>[]
  readonly #hurry = new AbortController()
  readonly #noMoreIdling = new AbortController()
  #ready: RunningService | undefined

  /** Takes the address; nobody is behind it yet. */
  static async listen(options: ReplicaOptions): Promise<ReplicaSet> {
    return new ReplicaSet(options, await Balancer.listen(portOf(options.plan.port, options.role)))
  }

  private constructor(options: ReplicaOptions, balancer: Balancer) {
    this.#options = options
    this.#balancer = balancer
    this.#replicas = Array.from({ length: options.count }, (_, index) => this.#keep(this.#label(index)))
  }

  /** One first: it makes what all of them share. */
  async start(signal: AbortSignal): Promise<RunningService> {
    const [first, ...others] = this.#replicas
    await first?.begin(signal)
    const started = await Promise.allSettled(others.map((replica) => replica.begin(signal)))
    for (const result of started) if (result.status === 'rejected') throw result.reason
    return this.running
  }

  /** What others may know of it, with the process ids of its replicas in their order; those that are being started again are left out. */
  get running(): RunningService {
    if (this.#ready === undefined) throw new Error('no replica has been ready')
    const { mcp_url } = this.#ready
    const { url } = this.#balancer
    const mcp = mcp_url === undefined ? {} : { mcp_url: `${url}${new URL(mcp_url).pathname}` }
    return { ...this.#ready, ...mcp, url, pids: this.#replicas.flatMap(({ current }) => current?.pid ?? []) }
  }

  /** Replaces one replica after the other, so that each request finds one that takes it. */
  async restart(signal: AbortSignal, onRestarted: (label: string) => void): Promise<void> {
    for (const [index, replica] of this.#replicas.entries()) {
      await replica.replace()
      signal.throwIfAborted()
      onRestarted(this.#label(index))
    }
  }

  async stop(hurry: AbortSignal): Promise<void> {
    const onHurry = (): void => {
      this.#noMoreIdling.abort()
      this.#hurry.abort()
    }
    hurry.addEventListener('abort', onHurry)
    if (hurry.aborted) onHurry()
    const cut = setTimeout(() => this.#noMoreIdling.abort(), LAST_IDLE_WITHIN_MS)
    await Promise.all(this.#replicas.map((replica) => replica.end()))
    clearTimeout(cut)
    hurry.removeEventListener('abort', onHurry)
    await this.#balancer.close(0)
  }

  #label(index: number): string {
    return `${APP_OF[this.#options.role]} ${index + 1}`
  }

  #keep(label: string): Kept<Replica> {
    const { listener, onChange } = this.#options
    return new Kept<Replica>({
      start: (signal) => this.#start(label, signal),
      stop: (replica) => this.#end(replica),
      onUp: (replica) => {
        replica.target = this.#balancer.add(Number(new URL(replica.ready.url).port))
        onChange()
      },
      onDown: (replica) => {
        this.#takeOut(replica)
        replica.target?.close()
        onChange()
      },
      warn: (message) => listener.onLog(label, warning(message)),
    })
  }

  async #start(label: string, signal: AbortSignal): Promise<Replica> {
    const { role, plan, firstContact, listener } = this.#options
    const baseUrl = `${this.#balancer.url}/koi-net`
    const service = new ServiceProcess(planService(role, plan, { firstContact, baseUrl }), listener, label)
    try {
      const ready = await service.ready(signal)
      this.#ready = ready
      return { service, ready, pid: service.pid, exited: service.exited }
    } catch (error) {
      await service.stop(signal.aborted ? STOP_WITHIN_MS : 0, this.#hurry.signal)
      throw error
    }
  }

  /** Nothing new reaches it from here on; what it has been sent it may end. */
  async #end(replica: Replica): Promise<void> {
    this.#takeOut(replica)
    await replica.target?.idle(AbortSignal.any([AbortSignal.timeout(IDLE_WITHIN_MS), this.#noMoreIdling.signal]))
    await replica.service.stop(STOP_WITHIN_MS, this.#hurry.signal)
    replica.target?.close()
  }

  #takeOut({ target }: Replica): void {
    if (target !== undefined) this.#balancer.remove(target)
  }
}
