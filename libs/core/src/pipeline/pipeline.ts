import type { Bundle, Contents, EventType, Manifest, Rid } from '@koi-mcp/protocol'
import { microsOf, parseTimestamp, ridTypeOf, sha256Contents } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { PermanentError, TransientError } from '../domain/handler-errors.ts'
import type { NetworkGraph } from '../graph/network-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { TimeToLive } from '../knowledge/time-to-live.ts'
import { appliedChange } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { HandledResult, NodeObserver } from '../node-observer.ts'
import type { PeerClient } from '../network/peer-client.ts'
import type { PeerList } from '../security/peer-list.ts'
import { LeaseLostError, NETWORK_LANE, StoreError } from '../store/node-store.ts'
import type {
  ArrivalPhase,
  CacheChange,
  Emissions,
  LaneLease,
  NodeStore,
  PendingArrival,
  Settled,
} from '../store/node-store.ts'
import { laneOf } from '../store/lanes.ts'
import { EmissionCollector } from './emissions.ts'
import type { HandlerChain } from './handler-chain.ts'
import { HandlerType, STOP_CHAIN } from './handler.ts'
import { basicNetworkOutputFilter, outputTargets } from './handlers/basic-handlers.ts'
import type { ProcessorContext, StopChain } from './handler.ts'
import type { KnowledgeObject } from './knowledge-object.ts'
import { NotNowError, SourceFetch } from './source-fetch.ts'

export interface PipelineOptions {
  readonly handlers: HandlerChain
  readonly store: Pick<
    NodeStore,
    'apply' | 'announce' | 'settle' | 'finish' | 'deadLetter' | 'read' | 'listRids' | 'changesAfter' | 'readMany'
  >
  readonly graph: NetworkGraph
  readonly identity: NodeIdentity
  readonly client: Pick<PeerClient, 'fetchManifests' | 'fetchBundles'>
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  readonly clock: Clock
  /** How far in the future what others tell may be dated (`network.max_clock_skew`); default a day. */
  readonly maxClockSkewMs?: number | undefined
  /** What others tell is not taken when it is too old by then; absent: it never is. */
  readonly ttl?: Pick<TimeToLive, 'hasExpired'> | undefined
  /** Nobody else is told of changes, whatever handlers add. */
  readonly peers?: PeerList | undefined
  readonly signal: AbortSignal
  /** Runs of one object before it becomes a dead letter (`network.max_retries`). */
  readonly maxAttempts: number
  /** Called after a change of the cache is durable. */
  readonly onApplied?: (applied: AppliedKnowledge) => void
}

/** A change of the cache as the pipeline made it. */
export interface AppliedKnowledge {
  readonly rid: Rid
  readonly eventType: EventType
  readonly source?: Rid | undefined
  readonly contents?: Contents | undefined
}

/** What came through the phases before the cache. */
type CacheableObject = KnowledgeObject & { readonly normalizedEventType: EventType }
type Reached = Progress & { readonly kobj: CacheableObject }

/** How far an arrival has come. */
interface Progress {
  phase: ArrivalPhase
  kobj: KnowledgeObject
  /** Of a FORGET: the one state that goes, because it expired. */
  readonly expired?: Manifest | undefined
}

const DAY_MS = 24 * 3_600_000

/**
 * RID → Manifest → Bundle → [cache] → Network → [send] → Final, as the reference's `KnowledgePipeline`. Each arrow across a
 * bracket is one durable step of the store; an arrival met again after a crash goes on behind the last step that was made.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #sources: SourceFetch

  constructor(options: PipelineOptions) {
    this.#options = options
    this.#sources = new SourceFetch(options.client, options.log)
  }

  /**
   * Takes one arrival from where it stands to its end; one that fails for good ends among the dead letters.
   * @returns whether the lane is still held
   * @throws {TransientError} to be tried again later; anything once the node stops, which is no attempt.
   * @throws whatever the store throws: an outage, or `LeaseLostError`.
   */
  async run(lease: LaneLease, arrival: PendingArrival): Promise<boolean> {
    const { observer } = this.#options
    if (observer === undefined) return (await this.#run(lease, arrival)).more
    const since = performance.now()
    const ended = (result: HandledResult): void => observer.handled(result, (performance.now() - since) / 1_000)
    try {
      const { more, result } = await this.#run(lease, arrival)
      ended(result)
      return more
    } catch (error) {
      if (error instanceof TransientError) ended('retried')
      throw error
    }
  }

  async #run(lease: LaneLease, arrival: PendingArrival): Promise<{ more: boolean; result: HandledResult }> {
    const emitted = new EmissionCollector()
    const context = this.#context(arrival, emitted)
    const expired = arrival.eventType === 'FORGET' ? arrival.manifest : undefined
    const at: Progress = { phase: arrival.phase, kobj: fromArrival(arrival), expired }
    try {
      const overtaken = arrival.replayed === true && (await this.#isOvertaken(at))
      if (overtaken) this.#options.log.info('a dead letter was overtaken, nothing is left to do', { rid: arrival.rid })
      const settled = overtaken ? undefined : await this.#advance(lease, arrival.place, at, context, emitted)
      if (settled !== undefined) return { more: settled.more, result: 'applied' }
    } catch (error) {
      if (isToBeTriedAgain(error, context)) throw error
      emitted.fail(error, at.phase === 'received')
      const expected = error instanceof TransientError || error instanceof PermanentError
      const fields = { rid: arrival.rid, peer: arrival.source, ...(expected ? {} : { error }) }
      this.#options.log.error(`put among the dead letters: ${emitted.deadLetter?.message}`, fields)
    }
    const { store } = this.#options
    const failure = emitted.deadLetter
    if (failure === undefined) {
      await store.finish(lease, arrival.place, emitted.take())
      return { more: true, result: at.phase === 'received' ? 'ignored' : 'applied' }
    }
    // The cache has changed, and whoever follows it is told: the failure is that of a handler here.
    const owed = at.phase === 'network' ? this.#owed(at, outputTargets(context, at.kobj)) : []
    await store.deadLetter(lease, arrival.place, failure.message, emitted.take(), owed)
    return { more: true, result: 'dead_letter' }
  }

  /** Behind the cache an older state must reach no handler after a newer one, nor a FORGET a subscriber who was told what came after it. */
  async #isOvertaken({ phase, kobj }: Progress): Promise<boolean> {
    if (phase === 'received') return false
    const cached = await this.#options.store.read(kobj.rid)
    return cached?.bundle.manifest.text !== (kobj.normalizedEventType === 'FORGET' ? undefined : kobj.manifest?.text)
  }

  /** From step to step, noting in `at` what was reached. Answers where it went the whole way in one. */
  async #advance(
    lease: LaneLease,
    place: number,
    at: Progress,
    context: ProcessorContext,
    emitted: EmissionCollector,
  ): Promise<Settled | undefined> {
    const { handlers, store, graph } = this.#options
    if (lease.lane !== laneOf(at.kobj.rid)) return this.#bring(at.kobj, emitted)
    // Nodes and edges are judged by those before them, whichever process of this node took them in.
    if (lease.lane === NETWORK_LANE) await graph.follow(store)
    if (at.phase === 'received') {
      const reached = await this.#untilCache(at, context)
      if (reached === STOP_CHAIN) return undefined
      const emissions = emitted.take()
      if (emitted.deadLetter === undefined && this.#endsWithTheCache(lease, reached)) {
        const settled = await this.#settle(lease, place, { ...at, kobj: reached }, context, emissions)
        if (settled !== undefined) return settled
      }
      at.kobj = await this.#apply(lease, place, { ...at, kobj: reached }, emissions)
      at.phase = 'network'
    }
    const handlerEnded = (): void => emitted.keep()
    if (at.phase === 'network') {
      // Whoever had subscribed when this change was made is told of it.
      await graph.follow(store)
      const networked = await handlers.run(HandlerType.Network, at.kobj, context, handlerEnded)
      if (networked === STOP_CHAIN || emitted.deadLetter !== undefined) return undefined
      at.kobj = networked
      const targets = this.#owed(at, networked.networkTargets)
      await store.announce(lease, place, targets, emitted.take())
      at.phase = 'final'
    }
    await handlers.run(HandlerType.Final, at.kobj, context, handlerEnded)
    return undefined
  }

  /** A node or an edge that was told without contents: once they are here it takes its place in the lane that all of those share. */
  async #bring({ rid, eventType, source }: KnowledgeObject, emitted: EmissionCollector): Promise<undefined> {
    const bundle = source && (await this.#sources.bundle(source, rid))
    if (bundle !== undefined) emitted.push({ rid, eventType, source, ...bundle })
  }

  /** Behind the cache nobody waits for it but the subscribers. Nodes and edges decide who those are: they go step by step. */
  #endsWithTheCache({ lane }: LaneLease, kobj: KnowledgeObject): boolean {
    const { handlers } = this.#options
    if (lane === NETWORK_LANE || handlers.concerns(HandlerType.Final, kobj)) return false
    return !handlers.concerns(HandlerType.Network, kobj, basicNetworkOutputFilter)
  }

  async #settle(
    lease: LaneLease,
    place: number,
    at: Reached,
    context: ProcessorContext,
    emissions: Emissions,
  ): Promise<Settled | undefined> {
    const { store, graph } = this.#options
    const announcement = { targets: this.#owed(at, outputTargets(context, at.kobj)), asOf: graph.asOf }
    const settled = await store.settle(lease, place, changeOf(at.kobj), announcement, emissions)
    if (settled !== undefined) this.#tell(at)
    return settled
  }

  async #apply(lease: LaneLease, place: number, at: Reached, emissions: Emissions): Promise<KnowledgeObject> {
    const { kobj } = at
    const applied = await this.#options.store.apply(lease, place, changeOf(kobj), emissions)
    this.#tell(at)
    return { ...kobj, previous: kobj.normalizedEventType === 'UPDATE' ? applied.previous : undefined }
  }

  #tell({ kobj: { rid, normalizedEventType: eventType, source, contents }, expired }: Reached): void {
    // That it expired is this node's own word.
    const told = expired === undefined ? source : undefined
    appliedChange(this.#options, rid, eventType, told)
    this.#options.onApplied?.({ rid, eventType, source: told, contents })
  }

  /** The phases before the cache; STOP_CHAIN also where nothing is to happen to it. */
  async #untilCache(
    { kobj: start, expired }: Progress,
    context: ProcessorContext,
  ): Promise<CacheableObject | StopChain> {
    const { log, ttl } = this.#options
    let kobj = await this.#options.handlers.run(HandlerType.Rid, start, context)
    if (kobj === STOP_CHAIN) return STOP_CHAIN
    if (kobj.eventType === 'FORGET') {
      const cached = await this.#options.store.read(kobj.rid)
      if (cached === undefined || (expired ?? cached.bundle.manifest).text !== cached.bundle.manifest.text)
        return STOP_CHAIN
      kobj = { ...kobj, manifest: cached.bundle.manifest, contents: cached.bundle.contents }
    } else {
      const withManifest = await this.#withManifest(kobj)
      if (withManifest === undefined) return STOP_CHAIN
      if (kobj.source !== undefined && ttl?.hasExpired(withManifest.manifest) === true) {
        log.info('dropped: older than persistence.ttl', { rid: kobj.rid, peer: kobj.source })
        return STOP_CHAIN
      }
      kobj = await this.#options.handlers.run(HandlerType.Manifest, withManifest, context)
      if (kobj === STOP_CHAIN) return STOP_CHAIN
      let whole = await this.#withContents(kobj)
      if (whole === undefined) return STOP_CHAIN
      if (whole.manifest?.text !== kobj.manifest?.text) {
        // The source serves another state by now than the one it announced: that one, too, has to be news.
        const judged = await this.#options.handlers.run(HandlerType.Manifest, whole, context)
        if (judged === STOP_CHAIN) return STOP_CHAIN
        whole = judged
      }
      const wrong = mismatch(whole) ?? (await this.#fromTheFuture(whole))
      if (wrong !== undefined) {
        log.warn(`dropped: ${wrong}`, { rid: kobj.rid, peer: kobj.source })
        return STOP_CHAIN
      }
      kobj = whole
    }
    kobj = await this.#options.handlers.run(HandlerType.Bundle, kobj, context)
    if (kobj === STOP_CHAIN || kobj.normalizedEventType === undefined) return STOP_CHAIN
    return { ...kobj, normalizedEventType: kobj.normalizedEventType }
  }

  /** It would count as newest until that day. Our own knowledge may have to follow such a date (`NodeStore.accept`). */
  async #fromTheFuture({ rid, source, manifest }: KnowledgeObject): Promise<string | undefined> {
    const { store, clock, maxClockSkewMs = DAY_MS } = this.#options
    if (source === undefined || manifest === undefined) return undefined
    const latest = microsOf(new Date(clock() + maxClockSkewMs))
    if (parseTimestamp(manifest.timestamp) <= latest) return undefined
    // All our clocks were ahead when it was cached, and are set right now: nothing older would ever take its place.
    const cached = (await store.read(rid))?.bundle.manifest
    if (cached !== undefined && parseTimestamp(cached.timestamp) > latest) return undefined
    return `dated ${manifest.timestamp}, more than ${maxClockSkewMs / 1_000} s in the future (network.max_clock_skew)`
  }

  /** Those of the targets that are told: who may be told of the RID. What others told us and expired goes here alone. */
  #owed({ kobj: { rid, source }, expired }: Progress, targets: Iterable<Rid>): readonly Rid[] {
    if (expired !== undefined && source !== undefined) return []
    const type = ridTypeOf(rid)
    return [...targets].filter((target) => this.#options.peers?.allows(target, type) ?? true)
  }

  async #withManifest(kobj: KnowledgeObject): Promise<(KnowledgeObject & { readonly manifest: Manifest }) | undefined> {
    if (kobj.manifest !== undefined) return { ...kobj, manifest: kobj.manifest }
    const manifest = kobj.source && (await this.#sources.manifest(kobj.source, kobj.rid))
    return manifest && { ...kobj, manifest }
  }

  async #withContents(kobj: KnowledgeObject): Promise<KnowledgeObject | undefined> {
    if (kobj.contents !== undefined) return kobj
    // The source's bundle counts: it may be newer than the manifest that announced it.
    const bundle = kobj.source && (await this.#sources.bundle(kobj.source, kobj.rid))
    return bundle && { ...kobj, ...bundle }
  }

  #context(arrival: PendingArrival, emitted: EmissionCollector): ProcessorContext {
    const { store, graph, identity, log, signal, maxAttempts } = this.#options
    return {
      identity,
      graph,
      log,
      signal,
      attempt: arrival.attempts + 1,
      maxAttempts,
      read: (rid) => store.read(rid),
      listRids: (types) => store.listRids({ types }),
      push: (pushed) => emitted.push(pushed),
      send: (target, event) => emitted.send(target, event),
      deadLetter: (error) => {
        emitted.deadLetter = error
      },
    }
  }
}

/** A handler's own transient failure, while tries are left; what the store says of itself; and whatever comes of being cut off by a stop. */
function isToBeTriedAgain(error: unknown, { attempt, maxAttempts, signal }: ProcessorContext): boolean {
  if (signal.aborted) return true
  if (error instanceof TransientError) return attempt < maxAttempts
  return error instanceof StoreError || error instanceof LeaseLostError || error instanceof NotNowError
}

function fromArrival(arrival: PendingArrival): KnowledgeObject {
  const { rid, contents, eventType, source, applied } = arrival
  const manifest = eventType === 'FORGET' ? undefined : arrival.manifest
  const base = { rid, manifest, contents, eventType, source, networkTargets: new Set<Rid>() }
  if (applied === undefined) return base
  const { normalizedEventType, previous } = applied
  // After a FORGET was applied, the bundle that went is what the later phases look at.
  if (normalizedEventType === 'FORGET') return { ...base, normalizedEventType, ...previous }
  return { ...base, normalizedEventType, previous }
}

function changeOf(kobj: CacheableObject): CacheChange {
  const { normalizedEventType, source: origin } = kobj
  if (normalizedEventType === 'FORGET') return { kind: 'forget' }
  return { kind: 'write', normalizedEventType, bundle: bundleOf(kobj), origin }
}

function bundleOf({ rid, manifest, contents }: KnowledgeObject): Bundle {
  if (manifest === undefined || contents === undefined) {
    throw new PermanentError(`a handler asked to cache ${rid} without its manifest or contents`)
  }
  return { manifest, contents }
}

/** What is wrong between RID, manifest and contents; the reference checks none of this. */
function mismatch({ rid, manifest, contents }: KnowledgeObject): string | undefined {
  if (manifest === undefined || contents === undefined) return 'the bundle is not whole'
  if (manifest.rid !== rid) return `the manifest is of another RID, ${manifest.rid}`
  if (manifest.sha256_hash !== sha256Contents(contents.value)) return 'the contents do not match the manifest hash'
  return undefined
}
