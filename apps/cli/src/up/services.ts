import { setTimeout as wait } from 'node:timers/promises'
import { ROLES } from '../roles.ts'
import type { Role } from '../roles.ts'
import type { Running } from './running.ts'
import { planService } from './service-plan.ts'
import type { FirstContact, NetworkPlan } from './service-plan.ts'
import { ServiceProcess } from './service-process.ts'
import type { ServiceListener } from './service-process.ts'

/** How long all three have to stop, in milliseconds. */
const STOP_WITHIN_MS = 10_000

/** The three services as one process each, with their stores in files. Whoever starts them calls `stop`, whatever happened. */
export class Services {
  readonly #plan: NetworkPlan
  readonly #listener: ServiceListener
  readonly #processes: ServiceProcess[] = []

  constructor(plan: NetworkPlan, listener: ServiceListener) {
    this.#plan = plan
    this.#listener = listener
  }

  /** The coordinator first, for the others introduce themselves to it. */
  async start(signal: AbortSignal): Promise<Running> {
    const [first, ...others] = ROLES
    const coordinator = await this.#start(first).ready(signal)
    const processes = others.map((role) => this.#start(role, coordinator))
    const started = Promise.all(processes.map((service) => service.ready(signal)))
    return { services: [coordinator, ...(await Promise.race([started, this.died()]))] }
  }

  /** Rejects with the last words of the first service that ends. */
  died(): Promise<never> {
    return Promise.race(this.#processes.map((service) => service.died('ended')))
  }

  /** Gateway, producer, coordinator: who depends on another goes before it. */
  async stop(hurry: AbortSignal): Promise<void> {
    const deadline = performance.now() + STOP_WITHIN_MS
    for (const [index, service] of this.#processes.toReversed().entries()) {
      const share = (deadline - performance.now()) / (this.#processes.length - index)
      await service.stop(Math.max(share, 500), hurry)
    }
  }

  #start(role: Role, firstContact?: FirstContact): ServiceProcess {
    const service = new ServiceProcess(planService(role, this.#plan, { firstContact }), this.#listener)
    this.#processes.push(service)
    return service
  }
}

/**
 * Services of an `up` that was killed end by themselves when they notice; their ports and stores are free after that. By now the ids may belong to
 * others: so this only waits a while, and the start itself shows whether something is still taken.
 */
export const leftoversGone = async (
  pids: readonly number[],
  signal: AbortSignal,
  onWait: () => void,
): Promise<void> => {
  for (let tries = 0; tries < 100 && pids.some(isAlive); tries += 1) {
    if (tries === 0) onWait()
    await wait(100, undefined, { signal })
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
