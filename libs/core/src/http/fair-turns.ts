/** Work is begun for so long before the event loop gets its turn. */
const SLICE_MS = 5
/**
 * Turns of the event loop behind a piece that takes longer than that. Node takes one new connection a turn, and those of all callers wait in one line:
 * with a long piece in every turn, a caller behind a hundred others would wait for a hundred pieces.
 */
const TURNS_BETWEEN = 32

export interface FairTurnsOptions {
  /** Pieces of work that one source may have in progress. */
  readonly atOnce: number
  /** Pieces of work that may wait for their turn, of one source. */
  readonly waiting: number
}

interface Source {
  running: number
  readonly waiting: (() => void)[]
}

/**
 * Gives work of several sources its turn, one piece of each after the other, so that a source which asks for much waits behind itself alone. What
 * a piece does before its first `await` is not begun for more sources in one go than fit into a slice.
 */
export class FairTurns {
  readonly #options: FairTurnsOptions
  readonly #sources = new Map<string, Source>()
  /** Those with work that may begin; the one whose turn it is stands first. */
  readonly #ready = new Map<string, Source>()
  #scheduled = false

  constructor(options: FairTurnsOptions) {
    this.#options = options
  }

  /**
   * Begins the work when its turn has come; `done` must be called when it has ended. False when too much of the source waits already: it will
   * never begin.
   */
  take(name: string, work: (done: () => void) => void): boolean {
    const source = this.#sources.get(name) ?? { running: 0, waiting: [] }
    if (source.waiting.length >= this.#options.waiting) return false
    this.#sources.set(name, source)
    source.waiting.push(() => {
      source.running += 1
      let ended = false
      work(() => {
        if (ended) return
        ended = true
        source.running -= 1
        this.#settle(name, source)
      })
    })
    this.#settle(name, source)
    return true
  }

  #settle(name: string, source: Source): void {
    if (source.waiting.length === 0) {
      this.#ready.delete(name)
      if (source.running === 0) this.#sources.delete(name)
    } else if (source.running < this.#options.atOnce) {
      this.#ready.set(name, source)
      this.#schedule()
    } else this.#ready.delete(name)
  }

  #schedule(turns = 1): void {
    if (this.#scheduled || this.#ready.size === 0) return
    this.#scheduled = true
    // After the poll phase: whoever asked in this turn of the event loop takes part.
    const turn = () => {
      if (--turns > 0) return void setImmediate(turn)
      const next = this.#begin()
      this.#scheduled = false
      this.#schedule(next)
    }
    setImmediate(turn)
  }

  /** Begins what fits into a slice, and says after how many turns of the event loop to go on. */
  #begin(): number {
    const since = performance.now()
    let last = since
    do {
      const [first] = this.#ready
      if (first === undefined) return 1
      const [name, source] = first
      const work = source.waiting.shift()
      // To the end of the line.
      this.#ready.delete(name)
      work?.()
      this.#settle(name, source)
      const now = performance.now()
      if (now - last > SLICE_MS) return TURNS_BETWEEN
      last = now
    } while (last - since < SLICE_MS)
    return 1
  }
}
