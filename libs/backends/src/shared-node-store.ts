import type * as core from '@koi-mcp/core'
import type { Manifest, Rid } from '@koi-mcp/protocol'
import type { ReplicaWakes } from './replica-wakes.ts'
import type { StoreParts } from './store-parts.ts'

/** The store that many processes share, made of one server's parts. Wakes follow each step. Docstrings: `NodeStore`. */
export class SharedNodeStore implements core.NodeStore {
  readonly #parts: StoreParts
  readonly #wakes: ReplicaWakes
  /** Tokens of the leases that were taken here and not given back. */
  readonly #held = new Set<number>()
  #closing: Promise<void> | undefined

  constructor(parts: StoreParts, wakes: ReplicaWakes) {
    this.#parts = parts
    this.#wakes = wakes
  }

  async accept(
    arrivals: readonly core.NewArrival[],
    once?: core.OnceKey,
    under?: core.NamedLease,
  ): Promise<core.Accepted> {
    const accepted = await this.#parts.inbox.accept(arrivals, once, under)
    this.#wakes.wake({ inbox: !accepted.repeated && arrivals.length > 0 })
    return accepted
  }

  async takeLanes(owner: string, leaseMs: number, limit: number): Promise<readonly core.TakenLane[]> {
    const taken = await this.#parts.lanes.take(owner, leaseMs, limit)
    for (const { lease } of taken) this.#held.add(lease.token)
    return taken
  }

  nextArrival(lease: core.LaneLease): Promise<core.PendingArrival | undefined> {
    return this.#parts.lanes.next(lease)
  }

  async apply(
    lease: core.LaneLease,
    place: number,
    change: core.CacheChange,
    emissions: core.Emissions,
  ): Promise<core.AppliedChange> {
    const { changed, ...applied } = await this.#parts.inbox.apply(lease, place, change, emissions)
    this.#wakes.wake({ changes: changed, ...emitted(emissions) })
    return applied
  }

  async announce(
    lease: core.LaneLease,
    place: number,
    targets: readonly Rid[],
    emissions: core.Emissions,
  ): Promise<void> {
    await this.#parts.inbox.announce(lease, place, targets, emissions)
    const { inbox, outbox } = emitted(emissions)
    this.#wakes.wake({ inbox, outbox: outbox || targets.length > 0 })
  }

  async settle(
    lease: core.LaneLease,
    place: number,
    change: core.CacheChange,
    announcement: { readonly targets: readonly Rid[]; readonly asOf: number },
    emissions: core.Emissions,
  ): Promise<core.Settled | undefined> {
    const settled = await this.#parts.inbox.settle(lease, place, change, announcement, emissions)
    if (settled === undefined) return undefined
    const { changed, more } = settled
    if (!more) this.#held.delete(lease.token)
    const { inbox, outbox } = emitted(emissions)
    this.#wakes.wake({ changes: changed, inbox: inbox || more, outbox: outbox || announcement.targets.length > 0 })
    return { more }
  }

  async finish(lease: core.LaneLease, place: number, emissions: core.Emissions): Promise<void> {
    const more = await this.#parts.inbox.finish(lease, place, emissions)
    const { inbox, outbox } = emitted(emissions)
    this.#wakes.wake({ inbox: inbox || more, outbox })
  }

  async retryLater(
    lease: core.LaneLease,
    place: number,
    failure: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void> {
    await this.#parts.inbox.retryLater(lease, place, failure)
    this.#wakes.wake({ inbox: true })
  }

  async deadLetter(
    lease: core.LaneLease,
    place: number,
    error: string,
    emissions: core.Emissions,
    targets: readonly Rid[] = [],
  ): Promise<void> {
    const more = await this.#parts.inbox.deadLetter(lease, place, error, emissions, targets)
    const { inbox, outbox } = emitted(emissions)
    this.#wakes.wake({ inbox: inbox || more, outbox: outbox || targets.length > 0 })
  }

  async releaseLane(lease: core.LaneLease): Promise<void> {
    // What came in while the lane was held was not to be had by others: they look again.
    this.#wakes.wake({ inbox: await this.#parts.lanes.release(lease) })
    this.#held.delete(lease.token)
  }

  renewLane(lease: core.LaneLease, leaseMs: number): Promise<void> {
    return this.#parts.lanes.renew(lease, leaseMs)
  }

  inboxState(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }> {
    return this.#parts.inbox.state()
  }

  laneBusy(lane: string): Promise<boolean> {
    return this.#parts.lanes.isBusy(lane)
  }

  listDeadLetters(
    options: { after?: number; limit?: number; contents?: boolean } = {},
  ): Promise<readonly core.DeadLetter[]> {
    const { after = 0, limit = 100, contents = true } = options
    return this.#parts.deadLetters.list(after, limit, contents)
  }

  async replayDeadLetter(place: number): Promise<number | undefined> {
    const replayed = await this.#parts.deadLetters.replay(place)
    this.#wakes.wake({ inbox: replayed !== undefined })
    return replayed
  }

  dropDeadLetter(place: number): Promise<boolean> {
    return this.#parts.deadLetters.drop(place)
  }

  async takeLease(name: string, owner: string, leaseMs: number): Promise<core.NamedLease | undefined> {
    const lease = await this.#parts.leases.take(name, owner, leaseMs)
    if (lease !== undefined) this.#held.add(lease.token)
    return lease
  }

  async releaseLease(lease: core.NamedLease): Promise<void> {
    await this.#parts.leases.release(lease)
    this.#held.delete(lease.token)
  }

  read(rid: Rid): Promise<core.StoredBundle | undefined> {
    return this.#parts.cache.read(rid)
  }

  readMany(rids: readonly Rid[]): Promise<readonly core.StoredBundle[]> {
    return this.#parts.cache.readMany(rids)
  }

  readManifests(rids: readonly Rid[]): Promise<readonly Manifest[]> {
    return this.#parts.cache.readManifests(rids)
  }

  listRids(options: core.ListOptions = {}): Promise<readonly Rid[]> {
    return this.#parts.cache.listRids(options)
  }

  listBundles(options: core.ListOptions = {}): Promise<readonly core.StoredBundle[]> {
    return this.#parts.cache.listBundles(options)
  }

  countByType(): Promise<ReadonlyMap<string, number>> {
    return this.#parts.cache.countByType()
  }

  search(query: string, options: core.SearchOptions = {}): Promise<core.SearchPage> {
    return this.#parts.cache.search(query, options)
  }

  changesAfter(seq: number, limit: number): Promise<readonly core.Change[]> {
    return this.#parts.cache.changesAfter(seq, limit)
  }

  lastChange(): Promise<number> {
    return this.#parts.cache.lastChange()
  }

  onWake(listener: Parameters<core.NodeStore['onWake']>[0]): () => void {
    return this.#wakes.onWake(listener)
  }

  dueTargets(limit: number, after?: Pick<core.DueTarget, 'target' | 'dueAt'>): Promise<readonly core.DueTarget[]> {
    return this.#parts.deliveries.dueTargets(limit, after)
  }

  nextDeliveryAt(): Promise<number | undefined> {
    return this.#parts.deliveries.nextDeliveryAt()
  }

  async takeDeliveries(target: Rid, options: core.TakeOptions): Promise<core.DeliveryBatch | undefined> {
    const batch = await this.#parts.deliveries.take(target, options)
    if (batch !== undefined) this.#held.add(batch.token)
    return batch
  }

  renewDeliveries(batch: core.DeliveryBatch, leaseMs: number): Promise<void> {
    return this.#parts.deliveries.renew(batch, leaseMs)
  }

  async deliveriesDone(batch: core.DeliveryBatch): Promise<void> {
    this.#wakes.wake({ outbox: await this.#parts.deliveries.done(batch) })
    this.#held.delete(batch.token)
  }

  async deliveriesFailed(batch: core.DeliveryBatch, failure: { error: string; dueAt: number }): Promise<void> {
    await this.#parts.deliveries.failed(batch, failure)
    this.#wakes.wake({ outbox: true })
    this.#held.delete(batch.token)
  }

  async deliveriesLate({ target, rids, token }: core.DeliveryBatch): Promise<void> {
    await this.#parts.lapsed.queueAnew(target, [...new Set(rids)])
    this.#wakes.wake({ outbox: true })
    this.#held.delete(token)
  }

  dropDeliveries(target: Rid): Promise<number> {
    return this.#parts.deliveries.drop(target)
  }

  outboxState(): Promise<readonly core.OutboxTargetState[]> {
    return this.#parts.deliveries.state()
  }

  lapseDeliveries(target: Rid, before: number): Promise<number | undefined> {
    return this.#parts.lapsed.lapse(target, before)
  }

  lapsedTargets(): Promise<readonly core.LapsedTarget[]> {
    return this.#parts.lapsed.list()
  }

  resumeDeliveries(target: Rid): Promise<boolean> {
    return this.#parts.lapsed.resume(target)
  }

  async queueState(target: Rid, references: readonly core.StateReference[], last: boolean): Promise<void> {
    await this.#parts.lapsed.queueState(target, references, last)
    this.#wakes.wake({ outbox: references.length > 0 })
  }

  getValue(key: string): Promise<string | undefined> {
    return this.#parts.values.get(key)
  }

  setValue(key: string, value: string | undefined): Promise<void> {
    return this.#parts.values.set(key, value)
  }

  claimValue(key: string, value: string): Promise<string> {
    return this.#parts.values.claim(key, value)
  }

  listValues(prefix: string): Promise<ReadonlyMap<string, string>> {
    return this.#parts.values.list(prefix)
  }

  /** Finishes what was asked for, and gives back what is held, so that other replicas need not wait for it. Closing again does nothing. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // A server that is away gives the leases back by itself, when their time is over.
    await this.#parts.close([...this.#held]).catch(() => undefined)
    this.#wakes.close()
  }
}

function emitted({ arrivals, sends }: core.Emissions): { inbox: boolean; outbox: boolean } {
  return { inbox: arrivals.length > 0, outbox: sends.length > 0 }
}
