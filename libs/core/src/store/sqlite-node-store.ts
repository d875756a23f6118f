import type { Manifest, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import { ArrivalTables } from './arrival-tables.ts'
import { CacheTables } from './cache-tables.ts'
import { ChangeLog } from './change-log.ts'
import { DeadLetterTable } from './dead-letter-table.ts'
import { DeliveryTables } from './delivery-tables.ts'
import type { TakeOptions } from './delivery-tables.ts'
import { GroupCommit } from './group-commit.ts'
import type { CommitReport, Wake } from './group-commit.ts'
import { InboxTables } from './inbox-tables.ts'
import { LaneTables } from './lane-tables.ts'
import { LeaseTable } from './lease-table.ts'
import { LeaseTokens } from './lease-tokens.ts'
import type * as port from './node-store.ts'
import { StoreError } from './node-store.ts'
import { OutboxTables } from './outbox-tables.ts'
import { OutboxTargets } from './outbox-targets.ts'
import { SearchIndex } from './search-index.ts'
import type { SearchOptions } from './search-index.ts'
import { copyStore } from './copy-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { ValueTable } from './value-table.ts'

export interface SqliteNodeStoreParts {
  readonly clock: Clock
  readonly steady: Clock
  readonly log: Logger
  readonly onCommit: (report: CommitReport) => void
  readonly beforeClose: () => void
  readonly afterClose: () => void
}

/**
 * The embedded store. Steps that write are queued and committed in groups; reads go straight to the connection, which is
 * never within a transaction when one runs. Docstrings: `NodeStore`.
 */
export class SqliteNodeStore implements port.NodeStore {
  readonly #db: SqliteDatabase
  readonly #commits: GroupCommit
  readonly #arrivals: ArrivalTables
  readonly #leases: LeaseTable
  readonly #deadLetters: DeadLetterTable
  readonly #lanes: LaneTables
  readonly #inbox: InboxTables
  readonly #cache: CacheTables
  readonly #search: SearchIndex
  readonly #changes: ChangeLog
  readonly #targets: OutboxTargets
  readonly #outbox: OutboxTables
  readonly #deliveries: DeliveryTables
  readonly #values: ValueTable
  readonly #beforeClose: () => void
  readonly #afterClose: () => void
  #closing: Promise<void> | undefined
  readonly #copies = new Set<Promise<void>>()

  constructor(db: SqliteDatabase, { clock, steady, log, onCommit, beforeClose, afterClose }: SqliteNodeStoreParts) {
    const tokens = new LeaseTokens(db)
    this.#db = db
    this.#commits = new GroupCommit(db, log, onCommit)
    this.#changes = new ChangeLog(db, steady)
    this.#search = new SearchIndex(db)
    this.#cache = new CacheTables(db, this.#changes, this.#search)
    this.#targets = new OutboxTargets(db, steady)
    this.#outbox = new OutboxTables(db, steady, this.#cache, this.#targets)
    this.#deliveries = new DeliveryTables(db, steady, tokens, this.#outbox, this.#targets)
    this.#leases = new LeaseTable(db, steady, tokens)
    this.#arrivals = new ArrivalTables(db, clock, steady, this.#leases)
    this.#deadLetters = new DeadLetterTable(db, clock, this.#arrivals)
    this.#lanes = new LaneTables(db, steady, tokens)
    this.#inbox = new InboxTables(db, clock, {
      arrivals: this.#arrivals,
      deadLetters: this.#deadLetters,
      lanes: this.#lanes,
      cache: this.#cache,
      changes: this.#changes,
      outbox: this.#outbox,
    })
    this.#values = new ValueTable(db)
    this.#beforeClose = beforeClose
    this.#afterClose = afterClose
  }

  accept(arrivals: readonly port.NewArrival[], once?: port.OnceKey, under?: port.NamedLease): Promise<port.Accepted> {
    return this.#commits.submit((wake) => this.#arrivals.accept(arrivals, once, under, wake), arrivals.length)
  }

  takeLanes(owner: string, leaseMs: number, limit: number): Promise<readonly port.TakenLane[]> {
    return this.#commits.submit(() => this.#lanes.take(owner, leaseMs, limit))
  }

  nextArrival(lease: port.LaneLease): Promise<port.PendingArrival | undefined> {
    return read(() => this.#lanes.next(lease))
  }

  apply(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    emissions: port.Emissions,
  ): Promise<port.AppliedChange> {
    return this.#commits.submit((wake) => this.#inbox.apply(lease, place, change, emissions, wake), 10)
  }

  announce(lease: port.LaneLease, place: number, targets: readonly Rid[], emissions: port.Emissions): Promise<void> {
    const rows = targets.length + 1
    return this.#commits.submit((wake) => this.#inbox.announce(lease, place, targets, emissions, wake), rows)
  }

  settle(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    announcement: { targets: readonly Rid[]; asOf: number },
    emissions: port.Emissions,
  ): Promise<port.Settled | undefined> {
    const rows = announcement.targets.length + 10
    return this.#commits.submit((wake) => this.#inbox.settle(lease, place, change, announcement, emissions, wake), rows)
  }

  finish(lease: port.LaneLease, place: number, emissions: port.Emissions): Promise<void> {
    return this.#commits.submit((wake) => this.#inbox.finish(lease, place, emissions, wake))
  }

  retryLater(
    lease: port.LaneLease,
    place: number,
    failure: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void> {
    return this.#commits.submit((wake) => this.#inbox.retryLater(lease, place, failure, wake))
  }

  deadLetter(
    lease: port.LaneLease,
    place: number,
    error: string,
    emissions: port.Emissions,
    targets: readonly Rid[] = [],
  ): Promise<void> {
    const rows = targets.length + 2
    return this.#commits.submit((wake) => this.#inbox.deadLetter(lease, place, error, emissions, targets, wake), rows)
  }

  releaseLane(lease: port.LaneLease): Promise<void> {
    return this.#commits.submit((wake) => this.#lanes.release(lease, wake))
  }

  renewLane(lease: port.LaneLease, leaseMs: number): Promise<void> {
    return this.#commits.submit(() => this.#lanes.renew(lease, leaseMs))
  }

  inboxState(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }> {
    return read(() => this.#inbox.state())
  }

  laneBusy(lane: string): Promise<boolean> {
    return read(() => this.#lanes.isBusy(lane))
  }

  listDeadLetters(
    options: { after?: number; limit?: number; contents?: boolean } = {},
  ): Promise<readonly port.DeadLetter[]> {
    const { after = 0, limit = 100, contents = true } = options
    return read(() => this.#deadLetters.list(after, limit, contents))
  }

  replayDeadLetter(place: number): Promise<number | undefined> {
    return this.#commits.submit((wake) => this.#deadLetters.replay(place, wake))
  }

  dropDeadLetter(place: number): Promise<boolean> {
    return this.#commits.submit(() => this.#deadLetters.drop(place))
  }

  takeLease(name: string, owner: string, leaseMs: number): Promise<port.NamedLease | undefined> {
    return this.#commits.submit(() => this.#leases.take(name, owner, leaseMs))
  }

  releaseLease(lease: port.NamedLease): Promise<void> {
    return this.#commits.submit(() => this.#leases.release(lease))
  }

  read(rid: Rid): Promise<port.StoredBundle | undefined> {
    return read(() => this.#cache.read(rid))
  }

  readMany(rids: readonly Rid[]): Promise<readonly port.StoredBundle[]> {
    return read(() => this.#cache.readMany(rids))
  }

  readManifests(rids: readonly Rid[]): Promise<readonly Manifest[]> {
    return read(() => this.#cache.manifests(rids))
  }

  listRids(options: port.ListOptions = {}): Promise<readonly Rid[]> {
    return read(() => this.#cache.listRids(options))
  }

  listBundles(options: port.ListOptions = {}): Promise<readonly port.StoredBundle[]> {
    return read(() => this.#cache.listBundles(options))
  }

  countByType(): Promise<ReadonlyMap<string, number>> {
    return read(() => this.#cache.countByType())
  }

  search(query: string, options: SearchOptions = {}): Promise<port.SearchPage> {
    return read(() => this.#search.search(query, options))
  }

  changesAfter(seq: number, limit: number): Promise<readonly port.Change[]> {
    return read(() => this.#changes.after(seq, limit))
  }

  lastChange(): Promise<number> {
    return read(() => this.#changes.last())
  }

  onWake(listener: (wake: Readonly<Wake>) => void): () => void {
    return this.#commits.onWake(listener)
  }

  dueTargets(limit: number, after?: Pick<port.DueTarget, 'target' | 'dueAt'>): Promise<readonly port.DueTarget[]> {
    return read(() => this.#deliveries.dueTargets(limit, after))
  }

  nextDeliveryAt(): Promise<number | undefined> {
    return read(() => this.#deliveries.nextDeliveryAt())
  }

  takeDeliveries(target: Rid, options: TakeOptions): Promise<port.DeliveryBatch | undefined> {
    return this.#commits.submit(() => this.#deliveries.take(target, options))
  }

  renewDeliveries(batch: port.DeliveryBatch, leaseMs: number): Promise<void> {
    return this.#commits.submit(() => this.#deliveries.renew(batch, leaseMs))
  }

  deliveriesDone(batch: port.DeliveryBatch): Promise<void> {
    return this.#commits.submit((wake) => this.#deliveries.done(batch, wake), batch.rows.length)
  }

  deliveriesFailed(batch: port.DeliveryBatch, failure: { error: string; dueAt: number }): Promise<void> {
    return this.#commits.submit((wake) => this.#deliveries.failed(batch, failure, wake))
  }

  deliveriesLate(batch: port.DeliveryBatch): Promise<void> {
    return this.#commits.submit((wake) => this.#outbox.queueAnew(batch, wake), batch.rids.length)
  }

  dropDeliveries(target: Rid): Promise<number> {
    return this.#commits.submit(() => this.#targets.drop(target))
  }

  outboxState(): Promise<readonly port.OutboxTargetState[]> {
    return read(() => this.#targets.state())
  }

  lapseDeliveries(target: Rid, before: number): Promise<number | undefined> {
    return this.#commits.submit(() => this.#targets.lapse(target, before))
  }

  lapsedTargets(): Promise<readonly port.LapsedTarget[]> {
    return read(() => this.#targets.lapsed())
  }

  resumeDeliveries(target: Rid): Promise<boolean> {
    return this.#commits.submit(() => this.#targets.resume(target))
  }

  queueState(target: Rid, references: readonly port.StateReference[], last: boolean): Promise<void> {
    const rows = references.length + 1
    return this.#commits.submit((wake) => this.#outbox.queueState(target, references, last, wake), rows)
  }

  getValue(key: string): Promise<string | undefined> {
    return read(() => this.#values.get(key))
  }

  setValue(key: string, value: string | undefined): Promise<void> {
    return this.#commits.submit(() => this.#values.set(key, value))
  }

  claimValue(key: string, value: string): Promise<string> {
    return this.#commits.submit(() => this.#values.claim(key, value))
  }

  listValues(prefix: string): Promise<ReadonlyMap<string, string>> {
    return read(() => this.#values.list(prefix))
  }

  /**
   * Writes a copy of the store as it is when this resolves, or a moment before, into a new file, synced; this store works on meanwhile.
   * @throws StoreError naming the new file; UNAVAILABLE when this store is closed meanwhile; or the signal's reason. Half a copy may be left
   */
  async copyTo(path: string, signal: AbortSignal): Promise<void> {
    const copy = copyStore(this.#db, path, () => {
      signal.throwIfAborted()
      if (this.#closing !== undefined) throw new StoreError('UNAVAILABLE', 'The store is being closed')
    })
    this.#copies.add(copy)
    try {
      await copy
    } finally {
      this.#copies.delete(copy)
    }
  }

  changeOwner(forget: readonly Rid[], values: ReadonlyMap<string, string>): Promise<void> {
    return this.#commits.submit((wake) => {
      for (const rid of forget) {
        this.#cache.apply(rid, { kind: 'forget' }, wake)
        this.#targets.dropAbout(rid)
      }
      for (const [key, value] of values) this.#values.set(key, value)
    }, 10 * forget.length)
  }

  /** Runs what is queued, and gives the file to the next owner. Closing again does nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#copies)
    this.#commits.close()
    this.#beforeClose()
    // The last connection that closes writes the log into the file and removes it.
    this.#db.close()
    this.#afterClose()
  }
}

/** What is thrown becomes a rejection. */
function read<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()))
}
