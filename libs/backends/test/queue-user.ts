import type { NodeStore, WorkKind, WorkQueue } from '@koi-mcp/core'
import { openBullQueue } from '../src/bullmq/bull-queue.ts'

type Listener = Parameters<NodeStore['onWake']>[0]

/** A process of a node as far as its queue sees it: a store that wakes, and what takes work. */
export class QueueUser {
  readonly queue: WorkQueue
  readonly looks: WorkKind[] = []
  readonly #listeners = new Set<Listener>()
  readonly #stops: (() => void)[] = []
  readonly #waiting: (() => void)[] = []
  #isFull = false

  constructor(url: string, namespace: string) {
    const store = {
      onWake: (listener: Listener) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
    }
    this.queue = openBullQueue({ url, namespace, store })
    for (const kind of ['lanes', 'deliveries'] as const) {
      this.#stops.push(this.queue.onWork(kind, { look: () => this.looks.push(kind), room: () => this.#room() }))
    }
  }

  /** Gives work to the inbox, here or in another process. */
  commit(elsewhere = false): void {
    for (const listener of this.#listeners) listener({ changes: false, inbox: true, outbox: false }, elsewhere)
  }

  fill(): void {
    this.#isFull = true
  }

  empty(): void {
    this.#isFull = false
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Whether it holds a job until it has room. */
  get holds(): boolean {
    return this.#waiting.length > 0
  }

  /** No job waits, and none is being done. */
  async settled(): Promise<void> {
    await until(async () => {
      const counts = await this.queue.counts()
      return counts !== undefined && Object.values(counts).every(({ waiting, active }) => waiting + active === 0)
    })
  }

  async close(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop()
    this.empty()
    await this.queue.close()
  }

  async #room(): Promise<void> {
    while (this.#isFull) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}
