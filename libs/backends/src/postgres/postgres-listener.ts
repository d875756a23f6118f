import pg from 'pg'
import type { Logger } from '@koi-mcp/core'
import type { ReplicaWakes } from '../replica-wakes.ts'

export interface ListenerOptions {
  readonly url: string
  readonly schema: string
  readonly log: Logger
  readonly wakes: ReplicaWakes
}

const RECONNECT_MS = 1_000

/**
 * Hears by LISTEN what other replicas say. NOTIFY is sent after the steps' own transactions and never within them, for a transaction that
 * notifies has the whole server's commits to itself until it is on disk.
 */
export class PostgresListener {
  readonly #options: ListenerOptions
  #client: pg.Client | undefined
  #reconnecting: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: ListenerOptions) {
    this.#options = options
  }

  /** For as long as the store is open; without a server, from when there is one again. */
  async listen(): Promise<void> {
    const { url, schema, log, wakes } = this.#options
    const client = new pg.Client({ connectionString: url, application_name: `${schema} wakes`, keepAlive: true })
    this.#client = client
    client.on('notification', ({ payload }) => wakes.heard(payload ?? ''))
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

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#reconnecting)
    await this.#client?.end().catch(() => undefined)
  }

  #reconnectLater(): void {
    if (this.#closed || this.#reconnecting !== undefined) return
    this.#reconnecting = setTimeout(() => {
      this.#reconnecting = undefined
      this.listen().then(
        () => this.#options.wakes.missed(),
        () => undefined,
      )
    }, RECONNECT_MS)
    this.#reconnecting.unref()
  }
}
