import { once } from 'node:events'
import { Redis, ReplyError } from 'ioredis'
import { StoreError } from '@koi-mcp/core'
import type { Clock, Logger } from '@koi-mcp/core'
import { goneError, readingError, storeError } from './redis-errors.ts'
import type { RedisScript } from './redis-script.ts'
import { checkServer } from './redis-server-check.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly namespace: string
  /** Absent: the server's. */
  readonly clock: Clock | undefined
  readonly log: Logger
  /** Whether what is acknowledged has to be on the server's disk. */
  readonly durability: 'full' | 'normal'
}

export interface Step {
  readonly script: RedisScript
  readonly args: readonly (string | number)[]
}

const CONNECT_MS = 5_000
/** A server that says nothing for so long while it is asked is taken for lost. */
const SILENCE_MS = 10_000
const MOST_RECONNECT_MS = 1_000

/** A connection on which nothing waits for a server that is away, and nothing is sent again that may have been done. */
export function connectionOf(url: string, name: string): Redis {
  return new Redis(url, {
    connectionName: name,
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * 2 ** times, MOST_RECONNECT_MS),
    // Of a server that was demoted: its address may lead to another by now.
    reconnectOnError: ({ message }) => message.startsWith('READONLY'),
  })
}

/** What the steps of one process go through. A server that is away is an error of the step that asked, and is found again by itself. */
export class RedisConnection {
  readonly #redis: Redis
  readonly #options: ConnectionOptions
  readonly #running = new Set<Promise<unknown>>()
  /** The server and the node's keys, without user and password. */
  readonly where: string
  /** Of the store, as its format has it: a server that lost its data, or got another's, is not written to. */
  #id = ''
  /** Why there is no connection; what is asked for without one fails with less to say. */
  #lastError: unknown
  /** That the server keeps what it is given; anew for each connection, for it may lead to another server, or one with other settings. */
  #checked: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#redis = connectionOf(options.url, options.namespace)
    const { path, host = 'localhost', port = 6379 } = this.#redis.options
    this.where = `Redis ${path ?? `${host}:${port}`} (namespace ${options.namespace})`
    this.#redis.on('error', (error: unknown) => (this.#lastError = error))
    this.#redis.on('ready', () => (this.#lastError = undefined))
    this.#redis.on('close', () => {
      const error = this.#lastError
      if (this.#checked !== undefined && this.#closing === undefined) {
        options.log.warn('the connection to Redis was lost', { error })
      }
      this.#checked = undefined
    })
  }

  /** Connects; `identify` makes the store where there is none, and answers its id. */
  async open(identify: () => Promise<string>): Promise<void> {
    try {
      await this.#redis.connect()
    } catch (error) {
      throw storeError(this.#lastError ?? error, this.where)
    }
    this.#id = await identify()
  }

  key(name: string): string {
    return `{${this.#options.namespace}}:${name}`
  }

  /** One step. `read` makes of the reply what is wanted; what it cannot read is damage. */
  step<R, T>(script: RedisScript, args: Step['args'], read: (reply: R) => T): Promise<T> {
    return this.#run(() => this.#evaluateStep<R>({ script, args }), read)
  }

  /** Commands that need no script. That the store is the same is asked behind them, so that one that was emptied is not read as one that has nothing. */
  ask<R, T>(work: (redis: Redis) => Promise<R>, read: (reply: R) => T): Promise<T> {
    const ask = async () => {
      const [reply, id] = await Promise.all([work(this.#redis), this.#redis.hget(this.key('format'), 'id')])
      if (id !== this.#id) throw goneError(this.where)
      return reply
    }
    return this.#run(ask, read)
  }

  /** A script that is no step of a store. */
  evaluate<R>(script: RedisScript, args: Step['args']): Promise<R> {
    return this.#run(
      () => this.#evaluate<R>(script, args),
      (reply) => reply,
    )
  }

  /** Finishes what was asked for; `last` comes after it. Closing again does nothing. */
  close(last?: Step): Promise<void> {
    this.#closing ??= this.#close(last)
    return this.#closing
  }

  async #close(last: Step | undefined): Promise<void> {
    await Promise.allSettled(this.#running)
    try {
      if (last !== undefined) await this.#evaluateStep(last)
    } finally {
      await endOf(this.#redis)
    }
  }

  #run<R, T>(work: () => Promise<R>, read: (reply: R) => T): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(new StoreError('UNAVAILABLE', `${this.where} is closed`))
    const running = this.#tried(work, read)
    this.#running.add(running)
    const end = () => this.#running.delete(running)
    running.then(end, end)
    return running
  }

  async #tried<R, T>(work: () => Promise<R>, read: (reply: R) => T): Promise<T> {
    let reply: R
    try {
      this.#checked ??= this.#check()
      await this.#checked
      reply = await work()
    } catch (error) {
      const isAnswer = error instanceof ReplyError || error instanceof StoreError
      throw storeError(isAnswer ? error : (this.#lastError ?? error), this.where)
    }
    try {
      return read(reply)
    } catch (error) {
      throw readingError(error, this.where)
    }
  }

  async #check(): Promise<void> {
    const { log, durability } = this.#options
    try {
      await checkServer(this.#redis, { where: this.where, log, durability })
    } catch (error) {
      this.#checked = undefined
      throw error
    }
  }

  #evaluateStep<R>({ script, args }: Step): Promise<R> {
    const { clock } = this.#options
    // Nothing asks the server for the time.
    return this.#evaluate(script, [this.#id, clock === undefined ? '' : Math.trunc(clock()), ...args])
  }

  async #evaluate<R>({ sha, text }: RedisScript, args: Step['args']): Promise<R> {
    const operands = [1, this.key('format'), ...args]
    try {
      return (await this.#redis.call('EVALSHA', [sha, ...operands])) as R
    } catch (error) {
      // It was not run: the server was started anew, or its scripts were flushed.
      if (!(error instanceof ReplyError) || !(error as Error).message.startsWith('NOSCRIPT')) throw error
      return (await this.#redis.call('EVAL', [text, ...operands])) as R
    }
  }
}

/** Closes the connection, and waits until it is closed. One that waits to be made again is so at once, and says nothing of it. */
export async function endOf(redis: Redis): Promise<void> {
  const isOpen = redis.status !== 'end' && redis.status !== 'reconnecting'
  const end = isOpen ? once(redis, 'end') : undefined
  redis.disconnect()
  await end
}
