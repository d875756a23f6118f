import type { IncomingMessage } from 'node:http'

/** Bodies up to this many bytes are always read; larger ones share the budget. */
const SMALL_BODY = 64 * 1024

export interface BodyBudgetOptions {
  /** Of all bodies that are held at a time. */
  readonly total: number
  /** Of those of one source. */
  readonly perSource: number
}

/** Bytes of large request bodies in memory: as they come, until they have been read. */
export class BodyBudget {
  readonly #options: BodyBudgetOptions
  readonly #bySource = new Map<string, number>()
  #held = 0

  constructor(options: BodyBudgetOptions) {
    this.#options = options
  }

  get held(): number {
    return this.#held
  }

  take(source: string, bytes: number): boolean {
    const own = (this.#bySource.get(source) ?? 0) + bytes
    if (own > this.#options.perSource || this.#held + bytes > this.#options.total) return false
    this.#bySource.set(source, own)
    this.#held += bytes
    return true
  }

  give(source: string, bytes: number): void {
    const own = (this.#bySource.get(source) ?? 0) - bytes
    if (own > 0) this.#bySource.set(source, own)
    else this.#bySource.delete(source)
    this.#held -= bytes
  }
}

/** A body with what it holds of the budget, to be given back; or why there is none. */
export type ReadBody = { readonly bytes: Buffer; readonly release: () => void } | 'too_large' | 'no_room' | 'aborted'

/** Reads a request's body. Where it is not read to its end, the rest is left in the stream. */
export function readBody(
  request: IncomingMessage,
  { source, maxBytes, budget }: { source: string; maxBytes: number; budget: BodyBudget },
): Promise<ReadBody> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return Promise.resolve('too_large')
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    let taken = 0
    const release = () => {
      budget.give(source, taken)
      taken = 0
    }
    const end = (result: ReadBody) => {
      request.off('data', onData).off('end', onEnd).off('close', onClose)
      if (typeof result === 'string') {
        request.pause()
        release()
      }
      resolve(result)
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > maxBytes) return end('too_large')
      const more = size > SMALL_BODY ? size - taken : 0
      if (more > 0 && !budget.take(source, more)) return end('no_room')
      taken += more
      chunks.push(chunk)
    }
    const onEnd = () => end({ bytes: Buffer.concat(chunks, size), release })
    const onClose = () => end('aborted')
    request.on('data', onData).once('end', onEnd).once('close', onClose)
    // Whatever breaks here closes the stream.
    request.once('error', () => undefined)
  })
}
