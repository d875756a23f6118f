import { setTimeout as sleep } from 'node:timers/promises'
import pg, { DatabaseError } from 'pg'
import { StoreError } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'
import { ConnectionFailure, endsConnection, isRetried, storeError } from './postgres-errors.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly schema: string
  readonly log: Logger
  /** Connections at most, the one that listens not counted. */
  readonly connections: number
  /** Whether a step waits for the server's disk. */
  readonly durability: 'full' | 'normal'
}

/** What a step may ask of the connection it runs on. Each SQL text is prepared once a connection. */
export interface Queries {
  /** The rows. Their shape is the caller's word: it stands beside the SQL. */
  all<T>(sql: string, ...values: unknown[]): Promise<T[]>
  /** The first row. */
  get<T>(sql: string, ...values: unknown[]): Promise<T | undefined>
  /** Statements without values or results, more than one at a time; not prepared. */
  exec(sql: string): Promise<void>
}

const CONNECT_MS = 5_000
const LOCK_MS = 10_000
const STATEMENT_MS = 30_000
const TRIES = 6

const BIGINT = 20
const BIGINTS = 1016
/** 64-bit numbers of ours stay below 2^53. */
const TYPES: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
    if (oid === BIGINT) return Number
    if (oid === BIGINTS) return (text: string) => (text === '{}' ? [] : text.slice(1, -1).split(',').map(Number))
    return pg.types.getTypeParser(oid, format) as (text: string) => unknown
  },
}

/**
 * The bounded pool of one process. A server that stops answering is an error of the step that asked, never of the process; a transaction
 * that the server gave up for another one's sake runs again, some times.
 */
export class PostgresConnections {
  readonly #pool: pg.Pool
  readonly #names = new Map<string, string>()
  readonly #running = new Set<Promise<unknown>>()
  /** The server and schema, without user and password. */
  readonly where: string
  #closing: Promise<void> | undefined

  constructor({ url, schema, log, connections, durability }: ConnectionOptions) {
    const { host, port, database } = new pg.Client({ connectionString: url })
    this.where = `Postgres ${host}:${port}/${database ?? ''} (schema ${schema})`
    const options = {
      connectionString: url,
      application_name: schema,
      max: connections,
      connectionTimeoutMillis: CONNECT_MS,
      // Above the server's own, which ends a step cleanly: this one is for a server that says nothing at all.
      query_timeout: STATEMENT_MS + 5_000,
      keepAlive: true,
      types: TYPES,
      // The pool waits for it, whatever its types say.
      onConnect: (client: pg.ClientBase) => prepareSession(client, schema, durability),
    }
    this.#pool = new pg.Pool(options)
    this.#pool.on('error', (error) => log.warn('a connection to Postgres was lost', { error }))
  }

  async all<T>(sql: string, ...values: unknown[]): Promise<T[]> {
    return this.#run((queries) => queries.all<T>(sql, ...values))
  }

  async get<T>(sql: string, ...values: unknown[]): Promise<T | undefined> {
    return this.#run((queries) => queries.get<T>(sql, ...values))
  }

  /** One transaction; may run more than once, but is written once. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    return this.#run(async (queries) => {
      await queries.exec('BEGIN ISOLATION LEVEL READ COMMITTED')
      try {
        const value = await work(queries)
        await queries.exec('COMMIT')
        return value
      } catch (error) {
        if (!endsConnection(error)) await queries.exec('ROLLBACK')
        throw error
      }
    })
  }

  /** Finishes what was asked for; `last` runs after it. */
  close(last?: (queries: Queries) => Promise<unknown>): Promise<void> {
    this.#closing ??= this.#close(last)
    return this.#closing
  }

  async #close(last: ((queries: Queries) => Promise<unknown>) | undefined): Promise<void> {
    try {
      await Promise.allSettled(this.#running)
      if (last !== undefined) await this.#tried(last)
    } finally {
      await this.#pool.end()
    }
  }

  #run<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(new StoreError('UNAVAILABLE', `${this.where} is closed`))
    const running = this.#tried(work)
    this.#running.add(running)
    const end = () => this.#running.delete(running)
    running.then(end, end)
    return running
  }

  async #tried<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(work)
      } catch (error) {
        if (!isRetried(error) || tries === TRIES) throw storeError(error, this.where)
        await sleep(Math.random() * 10 * 2 ** tries)
      }
    }
  }

  async #once<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
    const client = await asked(this.#pool.connect())
    // While it is out the pool does not listen: an error between two queries would end the process.
    const heard = () => undefined
    client.on('error', heard)
    let ends = true
    try {
      const value = await work(this.#queriesOf(client))
      ends = false
      return value
    } catch (error) {
      ends = endsConnection(error)
      throw error
    } finally {
      client.off('error', heard)
      client.release(ends)
    }
  }

  #queriesOf(client: pg.PoolClient): Queries {
    const all = async <T>(sql: string, ...values: unknown[]): Promise<T[]> => {
      const { rows } = await asked(client.query({ name: this.#nameOf(sql), text: sql, values }))
      return rows as T[]
    }
    return {
      all,
      get: async <T>(sql: string, ...values: unknown[]) => (await all<T>(sql, ...values))[0],
      exec: async (sql) => void (await asked(client.query(sql))),
    }
  }

  #nameOf(sql: string): string {
    let name = this.#names.get(sql)
    if (name === undefined) {
      name = `koi${this.#names.size}`
      this.#names.set(sql, name)
    }
    return name
  }
}

/** Tells what happens on the way to the server from what the server says, and from what goes wrong here. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw error instanceof DatabaseError || error instanceof TypeError ? error : new ConnectionFailure(error)
  }
}

/** An operator who chose less than `on` for the whole server keeps it only with `normal`; what is stricter than `on` stays. */
async function prepareSession(client: pg.ClientBase, schema: string, durability: 'full' | 'normal'): Promise<void> {
  await client.query(
    `SELECT set_config('search_path', $1, false), set_config('lock_timeout', $2, false), set_config('statement_timeout', $3, false),
       set_config('idle_in_transaction_session_timeout', $3, false), set_config('default_transaction_isolation', 'read committed', false),
       set_config('synchronous_commit', CASE WHEN $4 = 'normal' THEN 'off'
         WHEN current_setting('synchronous_commit') = 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)`,
    [`"${schema}"`, `${LOCK_MS}`, `${STATEMENT_MS}`, durability],
  )
}
