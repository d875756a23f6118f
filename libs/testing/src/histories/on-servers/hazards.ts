import type { FaultKind, GateOptions, PlannedFault } from '../scheduler.ts'
import { randomFrom } from '../scheduler.ts'
import type { Sudden } from './calls.ts'
import type { Journal } from './journal.ts'

/** Leases are this short, in milliseconds, so that a process that stands still loses them. */
export const LEASE_MS = 500
const BEYOND_A_LEASE_MS = 800
/** The longest that anybody waits where nothing goes wrong. */
const JITTER_MS = 4
const NOISY_STEPS = 150

interface HazardOptions {
  readonly process: string
  readonly seed: number
  readonly noise: number
  readonly faults: readonly PlannedFault[]
  readonly sudden: Sudden | undefined
  readonly journal: Journal
}

/**
 * What happens to a real process at its awaits: it is delayed at random; the planned faults come, `crash` by `kill -9` and `stall` by standing still with
 * all that it does; and some noise.
 */
export class Hazards {
  readonly #options: HazardOptions
  readonly #random: () => number
  readonly #planned: ReadonlyMap<string, FaultKind>
  readonly #passed = new Map<string, number>()
  #steps = 0

  constructor(options: HazardOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
    this.#planned = new Map(options.faults.map(({ point, nth, kind }) => [`${point} ${nth}`, kind]))
  }

  async pass(point: string, { outage, lost }: GateOptions): Promise<void> {
    if (this.#random() < 1 / 4) await delay(this.#random() * JITTER_MS)
    const kind = this.#next(point)
    if (kind === undefined) return
    const { journal, process: name } = this.#options
    journal.hazard(`${name}: ${point} → ${kind}`)
    switch (kind) {
      case 'crash':
        process.kill(process.pid, 'SIGKILL')
        return new Promise(() => undefined)
      case 'stall':
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BEYOND_A_LEASE_MS)
        return
      case 'slow':
        return delay(BEYOND_A_LEASE_MS)
      case 'lost':
        throw (lost ?? outage)()
      case 'outage':
        throw outage()
    }
  }

  #next(point: string): FaultKind | undefined {
    const nth = this.#passed.get(point) ?? 0
    this.#passed.set(point, nth + 1)
    const planned = this.#planned.get(`${point} ${nth}`)
    if (planned !== undefined) return planned
    this.#steps += 1
    if (this.#steps === this.#options.sudden?.await) return this.#options.sudden.kind
    if (this.#steps > NOISY_STEPS || this.#random() >= this.#options.noise / 100) return undefined
    const drawn = this.#random()
    return drawn < 1 / 40 ? 'stall' : drawn < 1 / 10 ? 'lost' : 'outage'
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
