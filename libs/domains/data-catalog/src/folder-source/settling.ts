import type { FoundFile } from './found-file.ts'
import { isSame } from './found-file.ts'

interface Waiting {
  readonly since: number
  readonly seen: FoundFile | undefined
  readonly timer: NodeJS.Timeout
}

export interface SettlingOptions {
  /** How long a file has to stay the same, in milliseconds. */
  readonly stableMs: number
  /** A file that never stays the same is taken as it is after so many times `stableMs`. */
  readonly patience?: number
  find(path: string): Promise<FoundFile | undefined>
  /** The file has settled, or is gone. */
  onSettled(path: string): void
}

/** Waits until files that are being written have come to rest. */
export class Settling {
  readonly #options: SettlingOptions
  readonly #waiting = new Map<string, Waiting>()

  constructor(options: SettlingOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Something happened to the file: it has to rest from now on. */
  touch(path: string): void {
    const waiting = this.#waiting.get(path)
    if (waiting !== undefined && this.#isOverdue(waiting)) return
    this.#wait(path, waiting?.since ?? Date.now(), waiting?.seen)
  }

  stop(): void {
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
  }

  #wait(path: string, since: number, seen: FoundFile | undefined): void {
    clearTimeout(this.#waiting.get(path)?.timer)
    const timer = setTimeout(() => void this.#look(path), this.#options.stableMs)
    this.#waiting.set(path, { since, seen, timer })
  }

  async #look(path: string): Promise<void> {
    const waiting = this.#waiting.get(path)
    if (waiting === undefined) return
    // What cannot be looked at is left to the one that is told of it.
    const file = await this.#options.find(path).catch(() => undefined)
    if (this.#waiting.get(path) !== waiting) return
    const rests = file === undefined || (waiting.seen !== undefined && isSame(file, waiting.seen))
    // A file untouched for long enough by its own time has been resting already.
    const old = file !== undefined && Date.now() - file.modifiedMs >= this.#options.stableMs
    if (rests || old || this.#isOverdue(waiting)) {
      this.#waiting.delete(path)
      this.#options.onSettled(path)
    } else {
      this.#wait(path, waiting.since, file)
    }
  }

  #isOverdue({ since }: Waiting): boolean {
    const { stableMs, patience = 60 } = this.#options
    return Date.now() - since >= stableMs * patience
  }
}
