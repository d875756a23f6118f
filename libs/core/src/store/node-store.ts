import type { Bundle, Contents, EventType, Manifest, Rid } from '@koi-mcp/protocol'

/**
 * Everything a node must not lose, behind one port: inbox, knowledge cache, outbox and change log share a store because the
 * promises of the node need them to change together. Every method is one atomic step; a promise that resolves means that
 * the step is durable (as far as the operator's `durability` asks). Implementations: SQLite here, Postgres and Redis in
 * `libs/backends`; all pass the compliance suite of `libs/testing`.
 *
 * Time: waits and leases are measured on a scale that nobody sets while the store is open. Opened again, nothing waits for more than an hour.
 *
 * Order: `accept` gives each arrival a *place* (a growing integer) in its *lane*. One holder of a lane's lease at a time works
 * the lane off in the order of places; a write under a lease that is no longer held fails with `LeaseLostError`.
 */
export interface NodeStore {
  // ---- inbox ------------------------------------------------------------------------------------------------------------

  /**
   * Appends arrivals to their lanes in the order given, in one transaction. An arrival that is `own` and has contents but no manifest is
   * stamped here: its timestamp is max(now, the last one for that RID + 1 µs), remembered through a FORGET.
   * With `once`, a key seen before (and not past its time) changes nothing and answers `repeated: true` with what the first answered.
   * With `under`, nothing is accepted once that lease has run out or passed to another: a process that slept cannot write late.
   *
   * @throws LeaseLostError
   */
  accept(arrivals: readonly NewArrival[], once?: OnceKey, under?: NamedLease): Promise<Accepted>

  /** Up to so many lanes that have due work and that nobody else holds, those of the lowest due places first, each with what `nextArrival` would give. */
  takeLanes(owner: string, leaseMs: number, limit: number): Promise<readonly TakenLane[]>

  /** The first arrival of the lane, if it is due now; a later one is never given before an earlier one is finished. */
  nextArrival(lease: LaneLease): Promise<PendingArrival | undefined>

  /**
   * The cache changes, the change log grows, the search index follows, what handlers emitted is accepted or queued, and the arrival moves
   * to phase `network` keeping what the phases after it need, so that recovery goes on from there: all in one transaction.
   */
  apply(lease: LaneLease, place: number, change: CacheChange, emissions: Emissions): Promise<AppliedChange>

  /** Queues the event for each target (see `Outbox`), accepts what handlers emitted, and moves the arrival to phase `final`. */
  announce(lease: LaneLease, place: number, targets: readonly Rid[], emissions: Emissions): Promise<void>

  /**
   * `apply`, `announce` and `finish` in one, for an arrival in phase `received` that no handler waits for behind the cache. `asOf` is the place in the
   * change log up to which the targets were looked for: where a node or an edge changed behind it, somebody else may be owed this change too, so
   * nothing is done and the answer is undefined. A lane that holds nothing more is given back with it.
   */
  settle(
    lease: LaneLease,
    place: number,
    change: CacheChange,
    announcement: { readonly targets: readonly Rid[]; readonly asOf: number },
    emissions: Emissions,
  ): Promise<Settled | undefined>

  /** Takes the arrival out of the inbox together with what the handlers emitted. */
  finish(lease: LaneLease, place: number, emissions: Emissions): Promise<void>

  /** Makes the arrival (and so its lane) wait until `dueAt` (ms since the epoch). An attempt that counts joins the arrival's history. */
  retryLater(
    lease: LaneLease,
    place: number,
    failure: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void>

  /**
   * Moves the arrival to the dead letters, keeping event, error and history; the lane goes on. One in phase `network` is announced to the
   * `targets` with it, for the cache has changed.
   */
  deadLetter(
    lease: LaneLease,
    place: number,
    error: string,
    emissions: Emissions,
    targets?: readonly Rid[],
  ): Promise<void>

  /** Gives the lane back; a lease that is lost already is no error. A lease not renewed within its time is lost by itself. */
  releaseLane(lease: LaneLease): Promise<void>
  renewLane(lease: LaneLease, leaseMs: number): Promise<void>

  /**
   * When the earliest waiting arrival becomes due (ms since the epoch), and how many are pending; `undefined` when none waits. An arrival
   * that is being worked on counts: its moment is past.
   */
  inboxState(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }>

  /** True while the lane holds an arrival that is not finished. */
  laneBusy(lane: string): Promise<boolean>

  /** In the order of their places; with `contents: false`, those of the arrivals are left out. */
  listDeadLetters(options?: { after?: number; limit?: number; contents?: boolean }): Promise<readonly DeadLetter[]>

  /**
   * Puts a dead letter back into its lane, behind what waits there, with no failed attempts, in the phase in which it failed: what was cached goes on
   * behind the cache. Answers its new place; `undefined` where there is no such letter (any more).
   */
  replayDeadLetter(place: number): Promise<number | undefined>

  /** Gives a dead letter up for good. Answers whether there was one. */
  dropDeadLetter(place: number): Promise<boolean>

  // ---- named leases -------------------------------------------------------------------------------------------------------

  /**
   * For what one process of the node does at a time. Taken where nobody else holds it; whoever holds it renews it so, and keeps its token. One that
   * ran out, or was given back, is taken anew under a greater token. Names are few and stay: some stores keep a row of each.
   */
  takeLease(name: string, owner: string, leaseMs: number): Promise<NamedLease | undefined>

  /** Gives the lease back; one that is lost already is no error. */
  releaseLease(lease: NamedLease): Promise<void>

  // ---- knowledge cache ----------------------------------------------------------------------------------------------------

  read(rid: Rid): Promise<StoredBundle | undefined>
  /** In the order asked; missing RIDs are left out. */
  readMany(rids: readonly Rid[]): Promise<readonly StoredBundle[]>
  /** Without contents: what `manifests/fetch` and catch-up need. */
  readManifests(rids: readonly Rid[]): Promise<readonly Manifest[]>
  /** RIDs in byte order of their UTF-8 text, after `after` (exclusive); `types` empty or absent = all. */
  listRids(options?: ListOptions): Promise<readonly Rid[]>
  /** Bundles in the same order and paging as `listRids`. */
  listBundles(options?: ListOptions): Promise<readonly StoredBundle[]>
  countByType(): Promise<ReadonlyMap<string, number>>
  /**
   * Full-text search over RIDs and contents (keys are not searched, values are). The text is tokenised by `searchTokens`, the same in every
   * store: each finds the same; all tokens must match, the last one as a prefix too. Ranked, best first.
   */
  search(query: string, options?: { types?: readonly string[]; limit?: number; offset?: number }): Promise<SearchPage>

  // ---- change log -----------------------------------------------------------------------------------------------------------

  /** Changes of the cache after `seq` (exclusive), in order. */
  changesAfter(seq: number, limit: number): Promise<readonly Change[]>
  lastChange(): Promise<number>
  /**
   * Called after each commit that changed the cache or gave work: a wake-up that may come twice, late or never. `elsewhere`: it was, or may have been, a
   * commit of another process. Returns unsubscribe.
   */
  onWake(
    listener: (wake: { changes: boolean; inbox: boolean; outbox: boolean }, elsewhere?: boolean) => void,
  ): () => void

  // ---- outbox -----------------------------------------------------------------------------------------------------------------

  /**
   * Subscribers with queued events whose next attempt is due and that nobody else is delivering to, the longest due first; those behind `after`, which
   * was given here before, when there may be more than `limit`.
   */
  dueTargets(limit: number, after?: Pick<DueTarget, 'target' | 'dueAt'>): Promise<readonly DueTarget[]>
  /** When the next target that waits, or is being delivered to, is to be had (ms since the epoch); those due now do not count. */
  nextDeliveryAt(): Promise<number | undefined>
  /**
   * Leases up to `limit` (0 = all) queued events for the target, in order, as texts ready to be sent; `undefined` where another holds the lease, or
   * nothing is queued. Queued events are references: the event sent for a NEW or UPDATE is built from the bundle cached *now*; when it is gone, it is
   * left out. Events of nodes and edges (`orn:koi-net.*`), and those sent past the pipeline, go out as they were. `ignoreDue` is for polls.
   *
   * What waits is collapsed when it is queued, and when a batch fails, so that a target costs at most two rows for each RID: of the references to one, the
   * last stays, with the FORGET before it where the target may hold what was forgotten; of the others, the last FORGET, and behind it the last event in
   * the place of the first, NEW where one of them was. Rows of a batch that is under way stay out of this.
   */
  takeDeliveries(
    target: Rid,
    options: { owner: string; leaseMs: number; limit: number; maxBytes?: number; ignoreDue?: boolean },
  ): Promise<DeliveryBatch | undefined>
  /** Keeps the batch for so long from now. @throws LeaseLostError */
  renewDeliveries(batch: DeliveryBatch, leaseMs: number): Promise<void>
  /** The batch arrived: its rows go, the target's failures are forgotten. */
  deliveriesDone(batch: DeliveryBatch): Promise<void>
  /** The batch did not arrive: its rows stay, the target waits until `dueAt`. */
  deliveriesFailed(batch: DeliveryBatch, failure: { error: string; dueAt: number }): Promise<void>
  /**
   * The batch may have arrived after its lease was over, behind what another sent meanwhile: an old NEW after a FORGET. What the target knows of its RIDs
   * is put right: each is queued as a FORGET and what is cached, a node or an edge as what is cached or a FORGET; but not what the target itself told.
   */
  deliveriesLate(batch: DeliveryBatch): Promise<void>
  /** Drops all that is queued for a target (the node was forgotten, or refuses for good). Returns how many. */
  dropDeliveries(target: Rid): Promise<number>
  outboxState(): Promise<readonly OutboxTargetState[]>

  /**
   * Gives up what is queued for a target whose oldest event was queued at `before` or earlier, and remembers it as lapsed: nothing is queued for it any
   * more. Answers how many were dropped; `undefined`, and nothing is done, where nothing is that old or a batch is under way.
   */
  lapseDeliveries(target: Rid, before: number): Promise<number | undefined>
  lapsedTargets(): Promise<readonly LapsedTarget[]>
  /** A lapsed target was reached: from here on changes are queued for it again, and it is owed the state of today. Answers whether this call did that. */
  resumeDeliveries(target: Rid): Promise<boolean>
  /**
   * Queues what a resumed target may have missed, as if each had been announced just now and the target may hold any other state of it, but for what is
   * cached as told by the target itself. With the `last` of it, it is a target like all others. For any other target nothing is done.
   */
  queueState(target: Rid, references: readonly StateReference[], last: boolean): Promise<void>

  // ---- small durable values ---------------------------------------------------------------------------------------------------

  /** Trust on first use, cursors of sources and the like. Keys: `<owner>/<name>`. */
  getValue(key: string): Promise<string | undefined>
  setValue(key: string, value: string | undefined): Promise<void>
  /** Sets the value where the key has none, and answers with the one that it has then: of several that try, the first decides. */
  claimValue(key: string, value: string): Promise<string>
  listValues(prefix: string): Promise<ReadonlyMap<string, string>>

  close(): Promise<void>
}

/**
 * The lane of everything about nodes and edges: they depend on each other, so they share one. Any other RID is its own lane; so is that of a node or
 * an edge another node told of without its contents.
 */
export const NETWORK_LANE = 'koi-net'

/** An event on its way into the node. `source` is the node that sent it; absent = this node itself (internal). */
export interface NewArrival {
  readonly rid: Rid
  readonly eventType?: EventType | undefined
  /** With a FORGET, which only this node itself does: that state alone is forgotten, because it expired; where `source` told it, here alone. */
  readonly manifest?: Manifest | undefined
  readonly contents?: Contents | undefined
  readonly source?: Rid | undefined
}

export interface OnceKey {
  readonly key: string
  /** Milliseconds since the epoch after which the key may be forgotten. */
  readonly until: number
}

export interface Accepted {
  readonly places: readonly number[]
  readonly repeated: boolean
}

export interface LaneLease {
  readonly lane: string
  readonly owner: string
  /** Grows with every lease of the lane: the fencing token. */
  readonly token: number
}

export interface NamedLease {
  readonly name: string
  readonly owner: string
  /** Grows with each change of the owner: the fencing token. */
  readonly token: number
}

export interface TakenLane {
  readonly lease: LaneLease
  readonly first: PendingArrival
}

export type ArrivalPhase = 'received' | 'network' | 'final'

export interface PendingArrival extends NewArrival {
  readonly place: number
  readonly lane: string
  readonly phase: ArrivalPhase
  /** Failed attempts so far in any phase. */
  readonly attempts: number
  readonly acceptedAt: number
  /** Was a dead letter: others of its RID may have overtaken it meanwhile. */
  readonly replayed?: boolean | undefined
  /** From phase `network` on: what `apply` kept. */
  readonly applied?: { readonly normalizedEventType: EventType; readonly previous?: Bundle | undefined } | undefined
}

/** What the cache step of the pipeline does. `write` keeps the texts as they are; `origin` absent = our own knowledge. */
export type CacheChange =
  | {
      readonly kind: 'write'
      readonly normalizedEventType: 'NEW' | 'UPDATE'
      readonly bundle: Bundle
      readonly origin?: Rid | undefined
    }
  | { readonly kind: 'forget' }

export interface AppliedChange {
  readonly seq: number
  /** The bundle that was cached before: overwritten by the UPDATE, or taken by the FORGET. */
  readonly previous?: Bundle | undefined
}

export interface Settled {
  /** Whether the lane holds further arrivals; where not, its lease is no more. */
  readonly more: boolean
}

/** What handlers gave rise to while they ran: new arrivals of this node, and events sent to one node past the pipeline. */
export interface Emissions {
  readonly arrivals: readonly NewArrival[]
  readonly sends: readonly {
    readonly target: Rid
    readonly rid: Rid
    readonly eventType: EventType
    readonly eventText: string
  }[]
}

export const NO_EMISSIONS: Emissions = { arrivals: [], sends: [] }

export interface DeadLetter {
  readonly place: number
  readonly arrival: NewArrival
  readonly error: string
  /** The phase in which it failed: behind `received` the cache has changed, and whoever follows it was told. */
  readonly phase: ArrivalPhase
  /** How often it was tried, the last time included. */
  readonly attempts: number
  readonly failedAt: number
  /** The last attempts, at most ten of them, the one that made it a dead letter at the end; long errors are cut. */
  readonly history: readonly FailedAttempt[]
}

export interface FailedAttempt {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly error: string
}

export interface StoredBundle {
  readonly rid: Rid
  readonly bundle: Bundle
  /** The node it came from; absent = our own. */
  readonly origin?: Rid | undefined
  /** Its place in the change log. */
  readonly seq: number
}

export interface ListOptions {
  readonly types?: readonly string[] | undefined
  readonly after?: Rid | undefined
  readonly limit?: number | undefined
}

export interface SearchPage {
  readonly total: number
  readonly hits: readonly { readonly rid: Rid; readonly score: number; readonly snippet: string }[]
}

export interface Change {
  readonly seq: number
  readonly rid: Rid
  readonly eventType: EventType
  readonly origin?: Rid | undefined
}

export interface DueTarget {
  readonly target: Rid
  /** Milliseconds since the epoch. */
  readonly dueAt: number
  /** Failed deliveries in a row so far. */
  readonly failures: number
}

export interface DeliveryBatch {
  readonly target: Rid
  readonly owner: string
  readonly token: number
  /** JSON texts of the events, in order. */
  readonly eventTexts: readonly string[]
  readonly rids: readonly Rid[]
  /** Failed deliveries to this target in a row so far. */
  readonly failures: number
  /** Opaque to the caller: which rows the batch holds. */
  readonly rows: readonly number[]
}

export interface OutboxTargetState {
  readonly target: Rid
  readonly queued: number
  readonly oldestAt: number
  readonly failures: number
  readonly lastError?: string | undefined
}

export interface LapsedTarget {
  readonly target: Rid
  /** Milliseconds since the epoch. */
  readonly lapsedAt: number
  /** Whether changes are queued for it again, and the state of today is on its way into the queue. */
  readonly resumed: boolean
  readonly lastError?: string | undefined
}

/** What a target that comes back is told of: a FORGET, or what is cached. */
export interface StateReference {
  readonly rid: Rid
  readonly eventType: 'NEW' | 'FORGET'
}

/** A step was tried under a lease that has passed to another holder; nothing was written. */
export class LeaseLostError extends Error {
  readonly code = 'LEASE_LOST'
}

/** The store cannot be opened or used: damaged, of a newer format, owned by another process, disk full. The message says the fix. */
export class StoreError extends Error {
  readonly code: 'BUSY' | 'NEWER_FORMAT' | 'DAMAGED' | 'FULL' | 'UNAVAILABLE'
  constructor(code: StoreError['code'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'StoreError'
    this.code = code
  }
}
