import { Worker } from 'node:worker_threads'
import type { EndpointPath } from '@koi-mcp/protocol'
import { readRequest, unpackRequest } from './read-request.ts'
import type { PackedRequest, ReadLimits, ReadRequest } from './read-request.ts'

/** What is read in the thread that serves: at most some 8 ms of work, whatever it holds. */
const SMALL_BYTES = 16 * 1024
/** Larger bodies are read in a thread of their own, so that those below wait for a fraction of a second at most. */
const HUGE_BYTES = 1024 * 1024

export interface ReadOrder {
  readonly path: EndpointPath
  readonly body: Uint8Array
  readonly limits: ReadLimits
}

/** The request was not read, which says nothing of the request: the thread ended, or the node stops. */
export class UnreadError extends Error {}

interface Waiting extends ReadOrder {
  readonly resolve: (read: PackedRequest) => void
  readonly reject: (error: unknown) => void
}

/**
 * Reads the requests of other nodes. A large one takes up to a second (it is parsed, and everything in it checked and hashed, before anybody can say
 * whom it is from), so it is read in another thread; those that wait there take turns by where they come from.
 */
export class RequestReader {
  readonly #large = new ReadingThread()
  readonly #huge = new ReadingThread()

  /**
   * @param from whose turn it takes: an address; requests without one share theirs
   * @throws ProtocolError for what is no such request; UnreadError
   */
  async read(order: ReadOrder, from = ''): Promise<ReadRequest> {
    const { path, body, limits } = order
    if (body.length <= SMALL_BYTES) return readRequest(path, body, limits)
    const thread = body.length <= HUGE_BYTES ? this.#large : this.#huge
    return unpackRequest(await thread.read(order, from))
  }

  async close(): Promise<void> {
    await Promise.all([this.#large.close(), this.#huge.close()])
  }
}

/** One worker thread, started when there is something to read, and a queue for every source. */
class ReadingThread {
  readonly #queues = new Map<string, Waiting[]>()
  #worker: Worker | undefined
  #current: Waiting | undefined

  read(order: ReadOrder, from: string): Promise<PackedRequest> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(from) ?? []
      queue.push({ ...order, resolve, reject })
      this.#queues.set(from, queue)
      this.#next()
    })
  }

  async close(): Promise<void> {
    for (const queue of this.#queues.values()) for (const { reject } of queue) reject(new UnreadError('the node stops'))
    this.#queues.clear()
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#current !== undefined) return
    const [first] = this.#queues
    if (first === undefined) return
    const [from, queue] = first
    const waiting = (this.#current = queue.shift())
    // To the end of the line.
    this.#queues.delete(from)
    if (queue.length > 0) this.#queues.set(from, queue)
    if (waiting === undefined) return
    const { path, body, limits } = waiting
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage({ path, body, limits })
  }

  #start(): Worker {
    // On the sources, as in tests, the thread needs to be told what its parent's loader knows.
    const onSources = import.meta.url.endsWith('.ts')
    const file = new URL(`./request-reader-worker.${onSources ? 'ts' : 'js'}`, import.meta.url)
    const worker = new Worker(file, onSources ? { execArgv: ['--conditions=@koi-mcp/source'] } : {})
    worker.on('message', (read: PackedRequest) => this.#end((waiting) => waiting.resolve(read)))
    let cause: unknown
    worker.once('error', (error: unknown) => {
      cause = error
    })
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
      this.#end((waiting) => waiting.reject(new UnreadError('the thread that reads requests ended', { cause })))
    })
    return worker
  }

  #end(settle: (waiting: Waiting) => void): void {
    const waiting = this.#current
    this.#current = undefined
    // Idle, it does not keep the process.
    this.#worker?.unref()
    if (waiting !== undefined) settle(waiting)
    this.#next()
  }
}
