import { setTimeout as wait } from 'node:timers/promises'
import { messageOf } from '../../errors.ts'
import { delayAfter } from './delay-after.ts'

/** A process that is ready. */
export interface Keepable {
  readonly pid: number
  /** Resolves with how it ended when it is gone. */
  readonly exited: Promise<string>
}

export interface KeptOptions<P extends Keepable> {
  /** Resolves when the process is ready; where it rejects, also by the signal, nothing is left of it. */
  start(signal: AbortSignal): Promise<P>
  /** Ends a process that is not needed any more. */
  stop(process: P): Promise<void>
  /** Told when one is ready, and when it has ended unasked. */
  onUp(process: P): void
  onDown(process: P): void
  /** Told of what goes wrong, in words. */
  warn(text: string): void
}

/** Keeps one process running: one that ends unasked is started again, after a while that grows where it does not last. */
export class Kept<P extends Keepable> {
  readonly #options: KeptOptions<P>
  readonly #ended = new AbortController()
  #current: P | undefined
  /** Starting one in place of another, or of one that has ended; one at a time. */
  #work: Promise<void> = Promise.resolve()
  #isReplacing = false
  #since = 0
  #delayMs = 0

  constructor(options: KeptOptions<P>) {
    this.#options = options
  }

  get current(): P | undefined {
    return this.#current
  }

  /** The first start, which is not tried again. */
  async begin(signal: AbortSignal): Promise<P> {
    const process = await this.#options.start(AbortSignal.any([signal, this.#ended.signal]))
    this.#take(process)
    return process
  }

  /** Starts another, and ends the one that was there when it is ready. One that has ended is being replaced already. */
  async replace(): Promise<void> {
    await this.#work
    const work = this.#replace()
    this.#work = work.catch(() => undefined)
    await work
  }

  /** Ends it, and starts none any more. */
  async end(): Promise<void> {
    this.#ended.abort(new Error('it is being stopped'))
    await this.#work
    const last = this.#current
    this.#current = undefined
    if (last !== undefined) await this.#options.stop(last)
  }

  #take(process: P): void {
    this.#current = process
    this.#since = performance.now()
    this.#options.onUp(process)
    void process.exited.then((how) => {
      if (this.#current !== process) return
      this.#current = undefined
      this.#options.onDown(process)
      if (!this.#isReplacing) this.#again(how)
    })
  }

  async #replace(): Promise<void> {
    const old = this.#current
    if (old === undefined || this.#ended.signal.aborted) return
    this.#isReplacing = true
    try {
      this.#take(await this.#options.start(this.#ended.signal))
    } finally {
      this.#isReplacing = false
      // It ended meanwhile, and there is none in its place.
      if (this.#current === undefined) this.#again(await old.exited)
    }
    await this.#options.stop(old)
  }

  #again(how: string): void {
    if (!this.#ended.signal.aborted) this.#work = this.#restart(how)
  }

  async #restart(how: string): Promise<void> {
    const { signal } = this.#ended
    for (let why = `ended (${how})`; this.#current === undefined && !signal.aborted;) {
      this.#delayMs = delayAfter(performance.now() - this.#since, this.#delayMs)
      this.#options.warn(`${why}; it is started again in ${this.#delayMs / 1000} s`)
      try {
        await wait(this.#delayMs, undefined, { signal })
        this.#since = performance.now()
        this.#take(await this.#options.start(signal))
      } catch (error) {
        why = messageOf(error)
      }
    }
  }
}
