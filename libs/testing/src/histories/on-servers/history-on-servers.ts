import { rmSync } from 'node:fs'
import type { Accepted, NodeStore } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import type { GraphSeen } from '../check-history.ts'
import { begin } from '../history.ts'
import type { Answered, Played } from '../history.ts'
import { arrivalsOf } from '../plan.ts'
import type { Envelope, Plan } from '../plan.ts'
import { randomFrom } from '../scheduler.ts'
import { NAMES } from '../world.ts'
import type { Sudden } from './calls.ts'
import { readJournal } from './journal.ts'
import type { WorkerProcess } from './worker-process.ts'

/** Where a history is played. */
export interface Stage {
  /** An empty store of a node, and its name for the worker processes. */
  readonly store: NodeStore
  readonly namespace: string
  /** A file that is not there yet. */
  readonly journal: string
  /** Worker processes, ready to begin; what is left of them stays here. */
  readonly workers: WorkerProcess[]
  spawn(): WorkerProcess
}

export interface PlayedOnServers extends Played {
  readonly hazards: readonly string[]
  /** How many processes were killed. */
  readonly kills: number
}

const LONGEST_MS = 120_000
const LOOK_MS = 50
/** A process comes to more awaits than this in nearly every history. */
const MOMENTS = 40

/** The plan with real processes, a real server and the real clock: how it goes is different each time, where it ends is not. */
export class HistoryOnServers {
  readonly #plan: Plan
  readonly #stage: Stage
  readonly #random: () => number
  readonly #answered: Answered[] = []
  /** By seat: resolves when its worker has begun, or was killed before. */
  readonly #begun: Promise<void>[] = []
  #kills = 0
  #lives = 0
  #sending = 0
  #isOver = false

  constructor(plan: Plan, stage: Stage) {
    this.#plan = plan
    this.#stage = stage
    this.#random = randomFrom(plan.seed)
  }

  /** @throws Error when the history does not end */
  async play(): Promise<PlayedOnServers> {
    const { store, workers, journal } = this.#stage
    const first = await begin(store)
    const before = await store.lastChange()
    for (const seat of workers.keys()) this.#begun.push(this.#begin(seat, true))
    await Promise.all(this.#begun)
    for (const name of NAMES) void this.#send(name)
    await this.#untilDone()
    this.#isOver = true
    const graphs = await this.#end()
    const { recording, received, hazards } = readJournal(journal)
    rmSync(journal)
    await this.#sendRest(received)
    return {
      first,
      cache: new Map((await store.listBundles()).map((stored) => [stored.rid, stored])),
      changes: await store.changesAfter(before, 10_000),
      graphs,
      recording,
      answered: this.#answered,
      received,
      hazards,
      kills: this.#kills,
    }
  }

  /** The worker of this seat takes part; each planned fault is that of one seat, and of its first life. */
  async #begin(seat: number, isFirst: boolean): Promise<void> {
    const { namespace, journal, workers } = this.#stage
    const worker = workers[seat]!
    const faults = isFirst ? this.#plan.faults.filter((_, index) => index % workers.length === seat) : []
    const name = `process ${++this.#lives}`
    const seed = Math.floor(this.#random() * 2 ** 31)
    const sudden = isFirst ? this.#suddenly() : undefined
    void worker.died.then(() => worker.wasKilled && this.#replace(seat))
    try {
      await worker.call('begin', { namespace, journal, name, seed, plan: this.#plan, faults, sudden })
    } catch (error) {
      if (!worker.wasKilled) throw error
    }
  }

  /** To one in five something happens at any moment. */
  #suddenly(): Sudden | undefined {
    if (this.#random() > 1 / 5) return undefined
    return { await: Math.ceil(this.#random() * MOMENTS), kind: this.#random() < 2 / 3 ? 'crash' : 'stall' }
  }

  #replace(seat: number): void {
    if (this.#isOver) return
    this.#kills += 1
    this.#stage.workers[seat] = this.#stage.spawn()
    this.#begun[seat] = this.#begin(seat, false)
  }

  /** A peer, or the application, sends one envelope after the other, each until it is answered. */
  async #send(name: Envelope['from']): Promise<void> {
    this.#sending += 1
    for (const [index, envelope] of this.#plan.envelopes.entries()) {
      if (envelope.from !== name) continue
      const arrivals = arrivalsOf(envelope, this.#plan.authority)
      if (arrivals.length === 0) continue
      const answers: Accepted[] = []
      for (let time = 0; time < (envelope.twice ? 2 : 1); time++) answers.push(await this.#untilAnswered(index))
      this.#answered.push({ arrivals, answers })
    }
    this.#sending -= 1
  }

  async #untilAnswered(envelope: number): Promise<Accepted> {
    for (;;) {
      const { workers } = this.#stage
      try {
        return await workers[Math.floor(this.#random() * workers.length)]!.call('accept', envelope)
      } catch {
        await pause()
      }
    }
  }

  async #untilDone(): Promise<void> {
    const { store } = this.#stage
    for (const until = Date.now() + LONGEST_MS; Date.now() < until; await pause()) {
      if (this.#sending > 0 || (await store.inboxState()).pending > 0) continue
      if ((await store.outboxState()).length === 0) return
    }
    const { pending } = await store.inboxState()
    const outbox = JSON.stringify(await store.outboxState())
    throw new Error(`the history does not end: ${this.#sending} send, ${pending} pending, outbox ${outbox}`)
  }

  /** A process that is slower than its leases may queue something last of all. */
  async #sendRest(received: Map<Rid, readonly string[]>): Promise<void> {
    const { store } = this.#stage
    for (const { target } of await store.outboxState()) {
      const batch = await store.takeDeliveries(target, { owner: 'the end', leaseMs: 1_000, limit: 0, ignoreDue: true })
      received.set(target, [...(received.get(target) ?? []), ...(batch?.eventTexts ?? [])])
    }
  }

  async #end(): Promise<readonly GraphSeen[]> {
    const graphs: GraphSeen[] = []
    await Promise.all(this.#begun)
    for (const worker of this.#stage.workers) {
      await worker.call('end').then(
        (graph) => graphs.push(graph),
        (error: unknown) => {
          if (!worker.wasKilled) throw error
          // Killed with its last step on the way to the server, where it was still done, or on the way to its first.
          this.#kills += 1
        },
      )
    }
    return graphs
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS))
}
