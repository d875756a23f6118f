import { Redis } from 'ioredis'
import { silentLogger, WORK_KINDS } from '@koi-mcp/core'
import type { JobCounts, Logger, NodeStore, WorkKind, WorkQueue, WorkTaker } from '@koi-mcp/core'
import { BullJobs } from './bull-jobs.ts'

export interface BullQueueOptions {
  /** `redis://user:password@host:port/0`, or `rediss://` over TLS. */
  readonly url: string
  /** The hash tag of all its keys, the node's own: `koi_<name>` of small letters, digits and `_`, at most 63. */
  readonly namespace: string
  /** Where the work is. */
  readonly store: Pick<NodeStore, 'onWake'>
  readonly log?: Logger | undefined
}

const CONNECT_MS = 5_000
/** A server that does not answer within this is taken for away. */
const ANSWER_MS = 2_000
/** Longer than a worker waits for a job. */
const SILENCE_MS = 15_000
const MOST_RECONNECT_MS = 1_000
const PROBE_MS = 1_000

/**
 * Wakes one process of a node for work that any of them committed, by jobs of BullMQ on Redis. Returns at once: a server that is away, now or later, is
 * looked for until it is there, and until then the store's own wake-ups do.
 */
export function openBullQueue(options: BullQueueOptions): WorkQueue {
  const { namespace } = options
  if (!/^koi_[a-z0-9_]{1,59}$/.test(namespace)) {
    throw new RangeError(
      `namespace: ${JSON.stringify(namespace)} is no koi_<name> of a-z, 0-9 and _, 63 characters at most`,
    )
  }
  return new BullQueue(options)
}

class BullQueue implements WorkQueue {
  readonly #log: Logger
  readonly #adding: Redis
  readonly #working: Redis
  readonly #jobs: Readonly<Record<WorkKind, BullJobs>>
  readonly #unsubscribe: () => void
  /** Absent: not known yet. */
  #state: 'up' | 'away' | undefined
  #lastError: unknown
  #probe: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  constructor({ url, namespace, store, log = silentLogger }: BullQueueOptions) {
    this.#log = log
    this.#adding = new Redis(url, {
      ...connection(namespace),
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: ANSWER_MS,
    })
    this.#working = new Redis(url, { ...connection(namespace), maxRetriesPerRequest: null })
    this.#working.on('error', () => undefined) // Said of the other connection.
    this.#adding.on('error', (error: unknown) => (this.#lastError = error))
    this.#adding.on('close', () => this.#lost(this.#lastError))
    // Whatever was said meanwhile was said to nobody.
    this.#adding.on('ready', () => this.#wakeAll())
    const shared = {
      prefix: `{${namespace}}:work`,
      adding: this.#adding,
      working: this.#working,
      log,
      onAdded: () => this.#found(),
      onFailed: (error: unknown) => this.#lost(error),
    }
    this.#jobs = {
      lanes: new BullJobs({ ...shared, kind: 'lanes' }),
      deliveries: new BullJobs({ ...shared, kind: 'deliveries' }),
    }
    this.#unsubscribe = store.onWake(({ inbox, outbox }, elsewhere = false) => {
      if (inbox) this.#committed('lanes', elsewhere)
      if (outbox) this.#committed('deliveries', elsewhere)
    })
  }

  get state(): 'up' | 'away' {
    return this.#state ?? 'away'
  }

  onWork(kind: WorkKind, taker: WorkTaker): () => void {
    return this.#jobs[kind].work(taker)
  }

  handOn(kind: WorkKind): void {
    if (this.#adding.status === 'ready') this.#jobs[kind].wake()
  }

  async counts(): Promise<Readonly<Record<WorkKind, JobCounts>> | undefined> {
    if (this.#adding.status !== 'ready') return undefined
    try {
      const { lanes, deliveries } = this.#jobs
      const [ofLanes, ofDeliveries] = await Promise.all([lanes.counts(), deliveries.counts()])
      return { lanes: ofLanes, deliveries: ofDeliveries }
    } catch {
      return undefined
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#unsubscribe()
    clearTimeout(this.#probe)
    await Promise.all(WORK_KINDS.map((kind) => this.#jobs[kind].close(this.#state === 'up')))
    this.#adding.disconnect()
    this.#working.disconnect()
  }

  #committed(kind: WorkKind, elsewhere: boolean): void {
    if (this.#state !== 'up') this.#jobs[kind].look()
    // What another process committed is its own to pass on.
    if (!elsewhere) this.handOn(kind)
  }

  #wakeAll(): void {
    for (const kind of WORK_KINDS) this.handOn(kind)
  }

  #found(): void {
    if (this.#state === 'away') this.#log.info('BullMQ wakes this node again')
    this.#state = 'up'
    this.#lastError = undefined
  }

  #lost(error: unknown): void {
    if (this.#closing !== undefined) return
    clearTimeout(this.#probe)
    // A server that answers nothing, or refuses, may do otherwise later; one that is away is found by the connection.
    this.#probe = setTimeout(() => this.#wakeAll(), PROBE_MS)
    this.#probe.unref()
    if (this.#state === 'away') return
    this.#state = 'away'
    this.#log.warn('BullMQ is away: until it is back, the processes of this node look for work by themselves', {
      error,
    })
    // What was told to it may be gone with it.
    for (const kind of WORK_KINDS) this.#jobs[kind].look()
  }
}

function connection(namespace: string) {
  return {
    connectionName: `${namespace} work`,
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: (times: number) => Math.min(50 * 2 ** times, MOST_RECONNECT_MS),
    // Of a server that was demoted: its address may lead to another by now.
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'),
  }
}
