/** A bell for one sleeper: rung while nobody sleeps, it ends the next sleep at once. */
export class Wake {
  #rung = false
  #ring: (() => void) | undefined

  now(): void {
    this.#rung = true
    this.#ring?.()
  }

  /** Waits to be woken, for at most `ms`. True when it was the bell; false for the time or the signal. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#rung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          this.#ring = undefined
          resolve()
        }
        const timer = setTimeout(done, ms)
        signal.addEventListener('abort', done, { once: true })
        this.#ring = done
      })
    }
    const woken = this.#rung
    this.#rung = false
    return woken
  }
}
