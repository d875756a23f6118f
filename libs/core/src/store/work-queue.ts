import type { NodeStore } from './node-store.ts'

/** Work that waits in the store: lanes of the inbox, and subscribers to deliver to. */
export type WorkKind = 'lanes' | 'deliveries'

export const WORK_KINDS: readonly WorkKind[] = ['lanes', 'deliveries']

/** Takes work out of the store, under leases, for as long as it has room. */
export interface WorkTaker {
  /** Looks for work, soon; asked again meanwhile, once more behind it. */
  look(): void
  /** Resolves when what was found has been taken and there is room for more, or when the taker has stopped. */
  room(): Promise<void>
}

/** How many wake-ups there are of a kind. */
export interface JobCounts {
  readonly waiting: number
  readonly active: number
  readonly delayed: number
  readonly failed: number
}

/**
 * What wakes the processes of a node for work that is in the store. A wake-up carries nothing, so it may come twice, late or never: takers also look
 * by themselves at the start and every few seconds. A queue learns from the store (`NodeStore.onWake`) that there is work, and chooses who looks for it.
 */
export interface WorkQueue {
  /** `away`: its server does not answer, and the store's own wake-ups do instead. */
  readonly state: 'up' | 'away'
  /** One taker of each kind in a process. Returns unsubscribe. */
  onWork(kind: WorkKind, taker: WorkTaker): () => void
  /** There may be more than this process has room for: another is to look. Keeps nobody waiting and never fails. */
  handOn(kind: WorkKind): void
  /** For metrics; undefined where there are no jobs, or the server does not answer. */
  counts(): Promise<Readonly<Record<WorkKind, JobCounts>> | undefined>
  /** Behind the takers and the store: others are to look for what this process leaves. Never rejects. */
  close(): Promise<void>
}

/** The store's own wake-ups: each process looks whenever one of them has given work. */
export function storeQueue(store: Pick<NodeStore, 'onWake'>): WorkQueue {
  return {
    state: 'up',
    onWork: (kind, taker) =>
      store.onWake(({ inbox, outbox }) => {
        if (kind === 'lanes' ? inbox : outbox) taker.look()
      }),
    handOn: () => undefined,
    counts: () => Promise.resolve(undefined),
    close: () => Promise.resolve(),
  }
}
