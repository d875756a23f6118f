/**
 * Lines for people to read while they pass. After a quiet spell a whole burst is shown, such as all of a small folder; when it goes on, some of each second
 * are shown and the rest counted, so that cataloguing ten thousand files does not push everything else off the screen.
 */
export class LiveLines {
  readonly #write: (line: string) => void
  readonly #perSecond: number
  readonly #burst: number
  readonly #now: () => number
  /** Lines that may be shown now: a token bucket. */
  #room: number
  #at: number
  #hidden = 0
  #timer: NodeJS.Timeout | undefined

  constructor(write: (line: string) => void, options: { perSecond?: number; burst?: number; now?: () => number } = {}) {
    this.#write = write
    this.#perSecond = options.perSecond ?? 10
    this.#burst = options.burst ?? 150
    this.#now = options.now ?? (() => performance.now())
    this.#room = this.#burst
    this.#at = this.#now()
  }

  add(line: string): void {
    const now = this.#now()
    this.#room = Math.min(this.#burst, this.#room + ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    if (this.#room >= 1 && this.#timer === undefined) {
      this.#room -= 1
      this.#write(line)
      return
    }
    // What is left out is said once a second, and only then are lines shown again.
    this.#hidden += 1
    this.#timer ??= setTimeout(() => this.flush(), 1000).unref()
  }

  /** Says how many were left out since the last time. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#hidden > 0) this.#write(`          … and ${this.#hidden.toLocaleString('en')} more`)
    this.#hidden = 0
  }
}
