import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Logger, Wake } from '@koi-mcp/core'

export interface WakeOptions {
  readonly url: string
  readonly schema: string
  readonly log: Logger
  /** Sends a notification to all replicas, this one included. */
  readonly notify: (channel: string, payload: string) => Promise<unknown>
}

/** Wakes that come within this time are told to other replicas as one. */
const GATHER_MS = 5
const RECONNECT_MS = 1_000

/**
 * Wake-ups, here at once and for the other replicas by NOTIFY; each may come twice, late or never. NOTIFY is sent after the steps' own
 * transactions and never within them, for a transaction that notifies has the whole server's commits to itself until it is on disk.
 */
export class PostgresWakes {
  readonly #options: WakeOptions
  readonly #id = randomUUID()
  readonly #listeners = new Set<(wake: Readonly<Wake>) => void>()
  #gathered: Wake | undefined
  #gathering: NodeJS.Timeout | undefined
  #client: pg.Client | undefined
  #reconnecting: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: WakeOptions) {
    this.#options = options
  }

  onWake(listener: (wake: Readonly<Wake>) => void): () => void {
    // Wrapped, so that one function may listen twice and unsubscribe once.
    const entry = (wake: Readonly<Wake>) => listener(wake)
    this.#listeners.add(entry)
    return () => void this.#listeners.delete(entry)
  }

  /** After a commit. */
  wake(wake: Partial<Wake>): void {
    const { changes = false, inbox = false, outbox = false } = wake
    if (!changes && !inbox && !outbox) return
    this.#tell({ changes, inbox, outbox })
    this.#gathered ??= { changes: false, inbox: false, outbox: false }
    this.#gathered.changes ||= changes
    this.#gathered.inbox ||= inbox
    this.#gathered.outbox ||= outbox
    this.#gathering ??= setTimeout(() => this.#send(), GATHER_MS)
  }

  /** Listens for what others do, for as long as the store is open; without a server, from when there is one again. */
  async listen(): Promise<void> {
    const { url, schema, log } = this.#options
    const client = new pg.Client({ connectionString: url, application_name: `${schema} wakes`, keepAlive: true })
    this.#client = client
    client.on('notification', ({ payload }) => this.#heard(payload ?? ''))
    client.on('error', (error) => log.warn('the connection that hears of other replicas was lost', { error }))
    client.on('end', () => {
      if (client === this.#client) this.#reconnectLater()
    })
    try {
      await client.connect()
      await client.query(`LISTEN "${schema}"`)
    } catch (error) {
      // Ends the connection where there is one; else there is no end to wait for.
      client.end().catch(() => undefined)
      this.#reconnectLater()
      throw error
    }
  }

  /** What is said for a process that ends: the others look for what it leaves to them. */
  get farewell(): { channel: string; payload: string } {
    return { channel: this.#options.schema, payload: `${this.#id} cio` }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#gathering)
    clearTimeout(this.#reconnecting)
    this.#listeners.clear()
    await this.#client?.end().catch(() => undefined)
  }

  #reconnectLater(): void {
    if (this.#closed || this.#reconnecting !== undefined) return
    this.#reconnecting = setTimeout(() => {
      this.#reconnecting = undefined
      this.listen().then(
        // Whatever was said meanwhile was not heard.
        () => this.#tell({ changes: true, inbox: true, outbox: true }),
        () => undefined,
      )
    }, RECONNECT_MS)
    this.#reconnecting.unref()
  }

  #send(): void {
    const { changes, inbox, outbox } = this.#gathered ?? { changes: false, inbox: false, outbox: false }
    this.#gathered = undefined
    this.#gathering = undefined
    const letters = `${changes ? 'c' : ''}${inbox ? 'i' : ''}${outbox ? 'o' : ''}`
    const { schema, notify, log } = this.#options
    notify(schema, `${this.#id} ${letters}`).catch((error: unknown) => {
      if (!this.#closed) log.warn('other replicas could not be woken; they look for work by themselves', { error })
    })
  }

  #heard(payload: string): void {
    const [id, letters = ''] = payload.split(' ')
    if (id === this.#id) return
    this.#tell({ changes: letters.includes('c'), inbox: letters.includes('i'), outbox: letters.includes('o') })
  }

  #tell(wake: Readonly<Wake>): void {
    for (const listener of this.#listeners) {
      try {
        listener(wake)
      } catch (error) {
        this.#options.log.error('A listener of the store failed', { error })
      }
    }
  }
}
