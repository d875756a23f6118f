import { vi } from 'vitest'

/** What happens at one of the awaits; see `Scheduler`. */
export const FAULTS = ['outage', 'lost', 'crash', 'stall', 'slow'] as const
export type FaultKind = (typeof FAULTS)[number]

/** The `nth` time (0 = the first) that anybody comes to this point. */
export interface PlannedFault {
  readonly point: string
  readonly nth: number
  readonly kind: FaultKind
}

export interface Circumstances {
  /** Gives the order in which processes go on; 0: first come, first served. */
  readonly seed: number
  readonly faults: readonly PlannedFault[]
  /** Percentage of the first awaits at which something fails besides. */
  readonly noise: number
}

/** A process of the node: what it awaits is ended by the scheduler alone. */
export class Actor {
  readonly name: string
  alive = true
  frozen = false
  readonly died: Promise<never>
  #die!: (error: Error) => void

  constructor(name: string) {
    this.name = name
    this.died = new Promise((_, reject) => (this.#die = reject))
    this.died.catch(() => undefined)
  }

  die(): void {
    this.alive = false
    this.#die(new Error(`${this.name} was killed`))
  }
}

/** How an await may fail where it stands. */
export interface GateOptions {
  readonly outage: () => Error
  /** Absent: here no lease can be found lost. */
  readonly lost?: (() => Error) | undefined
}

interface Gate extends GateOptions {
  readonly actor: Actor
  readonly point: string
  readonly open: () => void
  readonly fail: (error: Error) => void
  held: boolean
}

/** Longer than the lease of a lane, in milliseconds. */
const BEYOND_A_LEASE = 31_000
const MOST_STEPS = 20_000
const NOISY_STEPS = 600

/**
 * Takes several processes through their awaits one at a time, in an order that a seed gives (0: first come, first served), and makes the planned
 * faults happen: `outage` the call fails; `lost` its lease is found lost; `crash` the process is dead from here on; `stall` the process stands still
 * until its leases have run out; `slow` only this await does. Time is the fake timers' and moves when nothing else can, and now and then before.
 */
export class Scheduler {
  readonly trace: string[] = []
  readonly #random: (() => number) | undefined
  readonly #noise: number
  readonly #noiseFrom = randomFrom(7)
  readonly #faults: Map<string, FaultKind>
  readonly #onCrash: (actor: Actor) => void
  readonly #passed = new Map<string, number>()
  #waiting: Gate[] = []
  #inside = 0

  constructor({ seed, faults, noise }: Circumstances, onCrash: (actor: Actor) => void) {
    this.#random = seed === 0 ? undefined : randomFrom(seed)
    this.#faults = new Map(faults.map(({ point, nth, kind }) => [`${point} ${nth}`, kind]))
    this.#noise = noise
    this.#onCrash = onCrash
  }

  /** An await of the process: resolves or fails when the scheduler comes to it, and never when the process is dead. */
  pass(actor: Actor, point: string, options: GateOptions): Promise<void> {
    return new Promise((open, fail) => {
      if (actor.alive) this.#waiting.push({ ...options, actor, point, open, fail, held: false })
    })
  }

  /** Work that the scheduler waits for, such as a call of the store itself. */
  async inside<T>(work: () => Promise<T>): Promise<T> {
    this.#inside += 1
    try {
      return await work()
    } finally {
      this.#inside -= 1
    }
  }

  /** A wake-up may never come. */
  losesWakeUp(): boolean {
    return this.#chance(1 / 2)
  }

  /** Until `isDone`, which is asked whenever nobody has anything to do. */
  async run(isDone: () => Promise<boolean>): Promise<void> {
    for (let step = 0; step < MOST_STEPS; step++) {
      await this.#quiet()
      const ready = this.#waiting.filter(({ held, actor }) => !held && !actor.frozen)
      if (ready.length > 0) {
        if (this.#chance(1 / 40)) vi.advanceTimersByTime(700)
        else this.#take(ready[this.#pick(ready.length)]!)
      } else if (this.#waiting.length === 0 && (await isDone())) {
        return
      } else vi.advanceTimersToNextTimer()
    }
    throw new Error('the history does not end')
  }

  #take(gate: Gate): void {
    const { actor, point } = gate
    const nth = this.#passed.get(point) ?? 0
    this.#passed.set(point, nth + 1)
    const kind = this.#faults.get(`${point} ${nth}`) ?? this.#noisy()
    this.trace.push(`${actor.name}: ${point}${kind === undefined ? '' : ` → ${kind}`}`)
    switch (kind) {
      case 'crash':
        actor.die()
        this.#waiting = this.#waiting.filter((waiting) => waiting.actor !== actor)
        return this.#onCrash(actor)
      case 'stall':
        actor.frozen = true
        setTimeout(() => (actor.frozen = false), BEYOND_A_LEASE)
        return
      case 'slow':
        gate.held = true
        setTimeout(() => (gate.held = false), BEYOND_A_LEASE)
        return
      default:
        this.#waiting.splice(this.#waiting.indexOf(gate), 1)
        if (kind === undefined) gate.open()
        else gate.fail(kind === 'lost' && gate.lost !== undefined ? gate.lost() : gate.outage())
    }
  }

  /** Everybody has come to an await of the scheduler's. */
  async #quiet(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve))
    while (this.#inside > 0)
  }

  #pick(count: number): number {
    return this.#random === undefined ? 0 : Math.floor(this.#random() * count)
  }

  /** A fault that nobody planned; mostly one that passes. They end, so that the history can. */
  #noisy(): FaultKind | undefined {
    if (this.#noise === 0 || this.trace.length > NOISY_STEPS || this.#noiseFrom() > this.#noise / 100) return undefined
    const kind = Math.floor(this.#noiseFrom() * 40)
    return FAULTS[kind] ?? 'outage'
  }

  #chance(probability: number): boolean {
    return this.#random !== undefined && this.#random() < probability
  }
}

/** Numbers in [0, 1) that depend on the seed alone: Marsaglia's xorshift with 32 bits. */
export function randomFrom(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
