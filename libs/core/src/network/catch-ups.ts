import type { Rid } from '@koi-mcp/protocol'
import { LeaseLostError } from '../store/node-store.ts'
import { backoffMs, DEFAULT_BACKOFF, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import { catchUp } from './catch-up.ts'
import type { CatchUpOptions } from './catch-up.ts'
import { PeerError } from './peer-client.ts'

export interface CatchUpsOptions extends CatchUpOptions {
  readonly backoff?: BackoffOptions
}

/** Types still to be caught up with; `all` when everything was asked for. */
interface Pending {
  readonly types: Set<string>
  all: boolean
}

/** Catches up with nodes in the background, one run at a time for each. */
export class CatchUps {
  readonly #options: CatchUpsOptions
  readonly #pending = new Map<Rid, Pending>()
  readonly #running = new Map<Rid, Promise<void>>()
  readonly #stopping = new AbortController()
  /** Runs that pause before they try again. */
  #waiting = 0

  constructor(options: CatchUpsOptions) {
    this.#options = options
  }

  /** Asks for a run, soon; no types = all. Requests made while a run is on its way are put together into one run behind it. */
  request(node: Rid, ridTypes: readonly string[]): void {
    if (this.#stopping.signal.aborted || node === this.#options.self) return
    const pending = this.#pending.get(node) ?? { types: new Set<string>(), all: false }
    if (ridTypes.length === 0) pending.all = true
    for (const type of ridTypes) pending.types.add(type)
    this.#pending.set(node, pending)
    if (this.#running.has(node)) return
    const run = this.#work(node).finally(() => this.#running.delete(node))
    this.#running.set(node, run)
  }

  /** Resolves when nothing is being caught up with at the moment. What waits for a retry does not count. */
  async idle(): Promise<void> {
    while (this.#running.size > this.#waiting) await sleep(5, this.#stopping.signal)
  }

  /** Ends what runs at its next step, and waits for that. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running.values())
  }

  async #work(node: Rid): Promise<void> {
    // Whoever asks may ask for more types in the same breath.
    await Promise.resolve()
    for (let pending = this.#take(node); pending !== undefined; pending = this.#take(node)) {
      await this.#untilDone(node, pending.all ? [] : [...pending.types])
    }
  }

  #take(node: Rid): Pending | undefined {
    const pending = this.#pending.get(node)
    this.#pending.delete(node)
    return this.#stopping.signal.aborted ? undefined : pending
  }

  async #untilDone(node: Rid, types: readonly string[]): Promise<void> {
    const { log, backoff = DEFAULT_BACKOFF } = this.#options
    const { signal } = this.#stopping
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await catchUp(node, types, this.#options, signal)
        return
      } catch (error) {
        if (error instanceof LeaseLostError)
          return log.debug('another process of this node catches up', { peer: node, types })
        const message = error instanceof Error ? error.message : String(error)
        // A store or a peer that is away is waited for, however long: nobody else would tell us what it knew before we came. One that answers
        // nonsense, or that was forgotten, is not.
        if (error instanceof PeerError && !error.retryable) {
          log.warn('could not catch up, left until the node is met again', { peer: node, types, error: message })
          return
        }
        const waitMs = backoffMs(attempt, backoff)
        log[attempt === 1 ? 'info' : 'debug']('could not catch up, will try again', {
          peer: node,
          types,
          error: message,
          waitMs,
        })
        this.#waiting += 1
        await sleep(waitMs, signal)
        this.#waiting -= 1
      }
    }
  }
}
