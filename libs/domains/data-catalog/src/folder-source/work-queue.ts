/** Works named things off, so many at a time; what is added twice while it waits is worked once. */
export class WorkQueue {
  readonly #work: (name: string) => Promise<void>
  readonly #width: number
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  #stopped = false

  /** `work` must not reject. */
  constructor(width: number, work: (name: string) => Promise<void>) {
    this.#width = width
    this.#work = work
  }

  get size(): number {
    return this.#waiting.size + this.#running.size
  }

  add(name: string): void {
    if (this.#stopped) return
    this.#waiting.add(name)
    this.#next()
  }

  /** Drops what waits of these; resolves when what runs of them is done. */
  async drop(which: (name: string) => boolean): Promise<void> {
    for (const name of this.#waiting) if (which(name)) this.#waiting.delete(name)
    await Promise.all([...this.#running].filter(([name]) => which(name)).map(([, run]) => run))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.drop(() => true)
  }

  #next(): void {
    for (const name of this.#waiting) {
      if (this.#running.size >= this.#width) return
      // The same name never runs twice at once.
      if (this.#running.has(name)) continue
      this.#waiting.delete(name)
      const run = this.#work(name).finally(() => {
        this.#running.delete(name)
        this.#next()
      })
      this.#running.set(name, run)
    }
  }
}
