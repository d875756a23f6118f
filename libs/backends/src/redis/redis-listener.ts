import type { Redis } from 'ioredis'
import type { Logger } from '@koi-mcp/core'
import type { ReplicaWakes } from '../replica-wakes.ts'
import { connectionOf, endOf } from './redis-connection.ts'

export interface ListenerOptions {
  readonly url: string
  readonly namespace: string
  readonly channel: string
  readonly log: Logger
  readonly wakes: ReplicaWakes
}

/** Hears by SUBSCRIBE what other replicas say, on a connection of its own. */
export class RedisListener {
  readonly #redis: Redis
  readonly #options: ListenerOptions
  #closed = false

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#redis = connectionOf(options.url, `${options.namespace}:wakes`)
    this.#redis.on('message', (_, payload) => options.wakes.heard(payload))
    this.#redis.on('error', () => undefined)
  }

  /** For as long as the store is open; without a server, from when there is one again. */
  async listen(): Promise<void> {
    const { channel, log, wakes } = this.#options
    await this.#redis.connect()
    await this.#redis.subscribe(channel)
    this.#redis.on('close', () => {
      if (!this.#closed) log.warn('the connection that hears of other replicas was lost')
    })
    this.#redis.on('ready', () => {
      this.#redis.subscribe(channel).then(
        () => wakes.missed(),
        () => undefined,
      )
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await endOf(this.#redis)
  }
}
