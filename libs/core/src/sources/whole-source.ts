import { LeaseLostError } from '../store/node-store.ts'
import type { Share, ShareHolder, Shares } from './share.ts'

/** For the only process of a node: all of the source is its own, from the start to the stop. */
export class WholeSource implements Shares {
  readonly alone = true
  readonly #over = new AbortController()
  readonly #share: Share
  #holder: ShareHolder | undefined
  #stopped: Promise<void> | undefined

  constructor() {
    const { signal } = this.#over
    this.#share = {
      signal,
      write: async (write) => {
        if (signal.aborted) throw new LeaseLostError('the source is stopped')
        return await write(undefined)
      },
    }
  }

  get held(): readonly Share[] {
    const share = this.of()
    return share === undefined ? [] : [share]
  }

  of(): Share | undefined {
    return this.#holder === undefined || this.#over.signal.aborted ? undefined : this.#share
  }

  start(holder: ShareHolder): Promise<void> {
    this.#holder = holder
    if (this.of() !== undefined) holder.onGained()
    return Promise.resolve()
  }

  stop(): Promise<void> {
    this.#over.abort()
    return (this.#stopped ??= this.#holder?.onLost(this.#share) ?? Promise.resolve())
  }
}
