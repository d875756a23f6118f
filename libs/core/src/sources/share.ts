import type { NamedLease } from '../store/node-store.ts'

/** A part of a source that this process works on, for as long as it holds it. */
export interface Share {
  /** Aborts once the share is over, or may be before long. */
  readonly signal: AbortSignal
  /**
   * Publishes or forgets: what `write` does is to be done under the lease that it is given (none where no other process can have the share), so that
   * the store refuses it once another has it.
   *
   * @throws LeaseLostError when the share is over; nothing was written
   */
  write<T>(write: (under: NamedLease | undefined) => Promise<T>): Promise<T>
}

/** Who works on the shares. */
export interface ShareHolder {
  /** More is held than before: what changed there while others had it is to be found. */
  onGained(): void
  /** The share is over, and nothing new is begun on it. Another process may have it as soon as this resolves. */
  onLost(share: Share): Promise<void>
}

/** Which part of a source's work is this process's. */
export interface Shares {
  /** Whether no other process of the node can have a share. */
  readonly alone: boolean
  /** What is held now. */
  readonly held: readonly Share[]
  /** The share that a key belongs to, where it is held. A key is whatever names a piece of the work, such as an RID; the same for all replicas. */
  of(key: string): Share | undefined
  /** Resolves when the first shares are held, as far as they are to be had at once. */
  start(holder: ShareHolder): Promise<void>
  /** Gives back what is held. */
  stop(): Promise<void>
}
