import type { WorkKind, WorkQueue, WorkTaker } from '../src/store/work-queue.ts'

/** A queue whose wake-ups the test gives itself. */
export class HandQueue implements WorkQueue {
  readonly state = 'up'
  readonly handedOn: WorkKind[] = []
  #taker: WorkTaker | undefined

  get taker(): WorkTaker {
    if (this.#taker === undefined) throw new Error('nobody takes work')
    return this.#taker
  }

  onWork(_kind: WorkKind, taker: WorkTaker): () => void {
    this.#taker = taker
    return () => (this.#taker = undefined)
  }

  handOn(kind: WorkKind): void {
    this.handedOn.push(kind)
  }

  counts(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}
