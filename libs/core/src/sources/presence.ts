import type { Clock } from '../clock.ts'
import type { NodeStore } from '../store/node-store.ts'

export interface PresenceOptions {
  readonly store: Pick<NodeStore, 'setValue' | 'listValues'>
  /** What the keys begin with that replicas of the same work have in the store. */
  readonly prefix: string
  readonly owner: string
  /** Who shows no sign of life for so long is gone, in milliseconds. */
  readonly goneMs: number
  /** One that nobody sets. */
  readonly clock: Clock
}

interface Sign {
  readonly value: string
  readonly seenAt: number
}

/**
 * Who is there: each replica counts on under a key of its own, and whoever looks sees by its own clock who still does. So clocks need not agree, and
 * a replica that slept sees others as they are when it wakes.
 */
export class Presence {
  readonly #options: PresenceOptions
  #signs = new Map<string, Sign>()
  #beats = 0

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  /** Gives a sign of life. Answers how many are there, this one included, and which of them it is, in an order that is the same for all. */
  async beat(): Promise<{ readonly replicas: number; readonly rank: number }> {
    const { store, prefix, owner, goneMs, clock } = this.#options
    const own = prefix + owner
    this.#beats += 1
    await store.setValue(own, String(this.#beats))
    const values = await store.listValues(prefix)
    const now = clock()
    const signs = new Map<string, Sign>()
    const gone: string[] = []
    for (const [key, value] of values) {
      const before = this.#signs.get(key)
      const sign = before?.value === value ? before : { value, seenAt: now }
      if (now - sign.seenAt < goneMs || key === own) signs.set(key, sign)
      else gone.push(key)
    }
    this.#signs = signs
    // Should one of them only have slept, it is there again with its next sign.
    await Promise.all(gone.map((key) => store.setValue(key, undefined)))
    const others = [...signs.keys()].filter((key) => key !== own)
    return { replicas: others.length + 1, rank: others.filter((key) => key < own).length }
  }

  async leave(): Promise<void> {
    const { store, prefix, owner } = this.#options
    await store.setValue(prefix + owner, undefined)
  }
}
