import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { HOST } from '../service-plan.ts'

/** A replica that does not say in this time that it lives gets requests only where no other can have them. */
const PROBE_MS = 3_000
const PROBE_AGAIN_MS = 500

/**
 * A connection that was idle for this long is used no more: the services close one after 5 s, and a request that met the close could not be told from
 * one that was done.
 */
const IDLE_CONNECTION_MS = 1_000

/** A replica as the balancer sees it. */
export class Target {
  readonly port: number
  readonly agent = new Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS })
  #isWell = true
  #isDoubted = false
  #waiting = 0
  #onIdle: (() => void) | undefined
  readonly #closed = new AbortController()

  constructor(port: number) {
    this.port = port
  }

  /** Whether it answered when it was last doubted. */
  get isWell(): boolean {
    return this.#isWell
  }

  /** Notes a request that goes to it. Returns what notes that its answer begins, or that none comes. */
  begin(): () => void {
    this.#waiting += 1
    let ended = false
    return () => {
      if (ended) return
      ended = true
      this.#waiting -= 1
      if (this.#waiting === 0) this.#onIdle?.()
    }
  }

  /** Resolves when no request waits for an answer to begin, or with the signal. (Those that have begun, a service that drains ends itself.) */
  async idle(until: AbortSignal): Promise<void> {
    if (this.#waiting === 0 || until.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    until.addEventListener('abort', () => resolve(), { once: true })
    await promise
  }

  /**
   * For one that refused a connection, or is long in answering: asks it whether it lives until it says so. (A process that is stopped still takes
   * connections.)
   */
  async doubt(refused: boolean): Promise<void> {
    if (refused) this.#isWell = false
    if (this.#isDoubted) return
    this.#isDoubted = true
    while (!this.#closed.signal.aborted) {
      this.#isWell = await lives(this.port)
      if (this.#isWell) break
      await wait(PROBE_AGAIN_MS, undefined, { ref: false })
    }
    this.#isDoubted = false
  }

  close(): void {
    this.#closed.abort()
    this.agent.destroy()
  }
}

const lives = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = request({ host: HOST, port, path: '/livez', agent: false, timeout: PROBE_MS })
    probe.once('response', (response) => {
      response.resume()
      resolve(true)
    })
    probe.once('timeout', () => probe.destroy())
    probe.on('error', () => resolve(false))
    probe.end()
  })
