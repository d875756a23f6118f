/**
 * Lines for people to read while they pass: of a burst, the first of each second are shown and the rest counted, so that cataloguing ten thousand
 * files does not push everything else off the screen.
 */
export class LiveLines {
  readonly #write: (line: string) => void
  readonly #perSecond: number
  readonly #now: () => number
  #since = Number.NEGATIVE_INFINITY
  #shown = 0
  #hidden = 0
  #timer: NodeJS.Timeout | undefined

  constructor(write: (line: string) => void, options: { perSecond?: number; now?: () => number } = {}) {
    this.#write = write
    this.#perSecond = options.perSecond ?? 20
    this.#now = options.now ?? (() => performance.now())
  }

  add(line: string): void {
    if (this.#now() - this.#since >= 1000) {
      this.flush()
      this.#since = this.#now()
      this.#shown = 0
    }
    if (this.#shown < this.#perSecond) {
      this.#shown += 1
      this.#write(line)
      return
    }
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
