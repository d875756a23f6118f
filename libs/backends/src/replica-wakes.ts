import { randomUUID } from 'node:crypto'
import type { Logger, NodeStore, Wake } from '@koi-mcp/core'

export interface WakeOptions {
  readonly log: Logger
  /** Says something to all replicas, this one included. */
  readonly send: (payload: string) => Promise<unknown>
}

type WakeListener = Parameters<NodeStore['onWake']>[0]

/** Wakes that come within this time are told to other replicas as one. */
const GATHER_MS = 5

/** Wake-ups, here at once and for the other replicas a moment later; each may come twice, late or never. */
export class ReplicaWakes {
  readonly #options: WakeOptions
  readonly #id = randomUUID()
  readonly #listeners = new Set<WakeListener>()
  #gathered: Wake | undefined
  #gathering: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: WakeOptions) {
    this.#options = options
  }

  onWake(listener: WakeListener): () => void {
    // Wrapped, so that one function may listen twice and unsubscribe once.
    const entry: WakeListener = (wake, elsewhere) => listener(wake, elsewhere)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** After a commit. */
  wake(wake: Partial<Wake>): void {
    const { changes = false, inbox = false, outbox = false } = wake
    if (!changes && !inbox && !outbox) return
    this.#tell({ changes, inbox, outbox }, false)
    this.#gathered ??= { changes: false, inbox: false, outbox: false }
    this.#gathered.changes ||= changes
    this.#gathered.inbox ||= inbox
    this.#gathered.outbox ||= outbox
    this.#gathering ??= setTimeout(() => this.#send(), GATHER_MS)
  }

  /** What was said by one of all replicas. */
  heard(payload: string): void {
    const [id, letters = ''] = payload.split(' ')
    if (id === this.#id) return
    const said = { changes: letters.includes('c'), inbox: letters.includes('i'), outbox: letters.includes('o') }
    this.#tell(said, true)
  }

  /** Something may have been said and not heard. */
  missed(): void {
    this.#tell({ changes: true, inbox: true, outbox: true }, true)
  }

  /** What is said for a process that ends: the others look for what it leaves to them. */
  get farewell(): string {
    return `${this.#id} cio`
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#gathering)
    this.#listeners.clear()
  }

  #send(): void {
    const { changes, inbox, outbox } = this.#gathered ?? { changes: false, inbox: false, outbox: false }
    this.#gathered = undefined
    this.#gathering = undefined
    const letters = `${changes ? 'c' : ''}${inbox ? 'i' : ''}${outbox ? 'o' : ''}`
    const { send, log } = this.#options
    send(`${this.#id} ${letters}`).catch((error: unknown) => {
      if (!this.#closed) log.warn('other replicas could not be woken; they look for work by themselves', { error })
    })
  }

  #tell(wake: Readonly<Wake>, elsewhere: boolean): void {
    for (const listener of this.#listeners) {
      try {
        listener(wake, elsewhere)
      } catch (error) {
        this.#options.log.error('A listener of the store failed', { error })
      }
    }
  }
}
