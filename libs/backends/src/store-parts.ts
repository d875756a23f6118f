import type * as core from '@koi-mcp/core'
import type { Manifest, Rid } from '@koi-mcp/protocol'

/** What a store that replicas share is made of: steps of `NodeStore`, each with what has to be known beside its answer to wake those who wait. */
export interface StoreParts {
  readonly inbox: StoreInbox
  readonly deadLetters: StoreDeadLetters
  readonly leases: StoreLeases
  readonly lanes: StoreLanes
  readonly cache: StoreCache
  readonly deliveries: StoreDeliveries
  readonly lapsed: StoreLapsed
  readonly values: StoreValues
  /** Finishes what was asked for, gives the leases of these tokens back, and says so to the others. */
  close(held: readonly number[]): Promise<void>
}

interface StoreInbox {
  accept(
    arrivals: readonly core.NewArrival[],
    once: core.OnceKey | undefined,
    under: core.NamedLease | undefined,
  ): Promise<core.Accepted>
  /** `changed`: whether the cache is another than before. */
  apply(
    lease: core.LaneLease,
    place: number,
    change: core.CacheChange,
    emissions: core.Emissions,
  ): Promise<core.AppliedChange & { readonly changed: boolean }>
  settle(
    lease: core.LaneLease,
    place: number,
    change: core.CacheChange,
    announcement: { readonly targets: readonly Rid[]; readonly asOf: number },
    emissions: core.Emissions,
  ): Promise<(core.Settled & { readonly changed: boolean }) | undefined>
  announce(lease: core.LaneLease, place: number, targets: readonly Rid[], emissions: core.Emissions): Promise<void>
  /** Answers whether the lane goes on. */
  finish(lease: core.LaneLease, place: number, emissions: core.Emissions): Promise<boolean>
  retryLater(
    lease: core.LaneLease,
    place: number,
    failure: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void>
  /** Answers whether the lane goes on. */
  deadLetter(
    lease: core.LaneLease,
    place: number,
    error: string,
    emissions: core.Emissions,
    targets: readonly Rid[],
  ): Promise<boolean>
  state(): ReturnType<core.NodeStore['inboxState']>
}

interface StoreDeadLetters {
  list(after: number, limit: number, contents: boolean): Promise<readonly core.DeadLetter[]>
  replay(place: number): Promise<number | undefined>
  drop(place: number): Promise<boolean>
}

interface StoreLeases {
  take(name: string, owner: string, leaseMs: number): Promise<core.NamedLease | undefined>
  release(lease: core.NamedLease): Promise<void>
}

interface StoreLanes {
  take(owner: string, leaseMs: number, limit: number): Promise<readonly core.TakenLane[]>
  next(lease: core.LaneLease): Promise<core.PendingArrival | undefined>
  /** Answers whether it was held, and has work for others. */
  release(lease: core.LaneLease): Promise<boolean>
  renew(lease: core.LaneLease, leaseMs: number): Promise<void>
  isBusy(lane: string): Promise<boolean>
}

interface StoreCache {
  read(rid: Rid): Promise<core.StoredBundle | undefined>
  readMany(rids: readonly Rid[]): Promise<readonly core.StoredBundle[]>
  readManifests(rids: readonly Rid[]): Promise<readonly Manifest[]>
  listRids(options: core.ListOptions): Promise<readonly Rid[]>
  listBundles(options: core.ListOptions): Promise<readonly core.StoredBundle[]>
  countByType(): Promise<ReadonlyMap<string, number>>
  search(query: string, options: core.SearchOptions): Promise<core.SearchPage>
  changesAfter(seq: number, limit: number): Promise<readonly core.Change[]>
  lastChange(): Promise<number>
}

interface StoreDeliveries {
  dueTargets(limit: number, after?: Pick<core.DueTarget, 'target' | 'dueAt'>): Promise<readonly core.DueTarget[]>
  nextDeliveryAt(): Promise<number | undefined>
  take(target: Rid, options: core.TakeOptions): Promise<core.DeliveryBatch | undefined>
  renew(batch: core.DeliveryBatch, leaseMs: number): Promise<void>
  /** Answers whether more is queued. */
  done(batch: core.DeliveryBatch): Promise<boolean>
  failed(batch: core.DeliveryBatch, failure: { error: string; dueAt: number }): Promise<void>
  drop(target: Rid): Promise<number>
  state(): Promise<readonly core.OutboxTargetState[]>
}

interface StoreLapsed {
  lapse(target: Rid, before: number): Promise<number | undefined>
  list(): Promise<readonly core.LapsedTarget[]>
  resume(target: Rid): Promise<boolean>
  queueState(target: Rid, references: readonly core.StateReference[], last: boolean): Promise<void>
  /** `NodeStore.deliveriesLate`; each RID once. */
  queueAnew(target: Rid, rids: readonly Rid[]): Promise<void>
}

interface StoreValues {
  get(key: string): Promise<string | undefined>
  set(key: string, value: string | undefined): Promise<void>
  claim(key: string, value: string): Promise<string>
  list(prefix: string): Promise<ReadonlyMap<string, string>>
}
