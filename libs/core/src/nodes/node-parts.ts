import type { Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { AdapterRunner } from '../domain/adapter-runner.ts'
import type { KnowledgeAdapter } from '../domain/adapter.ts'
import { adapterWithFaults, clientWithFaults } from '../fault-points.ts'
import type { Faults } from '../fault-points.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { Expiry } from '../knowledge/expiry.ts'
import type { KnowledgeChange } from '../knowledge/knowledge-reader.ts'
import { TimeToLive } from '../knowledge/time-to-live.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import { addressBook } from '../network/address-book.ts'
import type { BackoffOptions } from '../network/backoff.ts'
import { CatchUps } from '../network/catch-ups.ts'
import { DeliveryWorker } from '../network/delivery.ts'
import { Farewells } from '../network/farewells.ts'
import { FirstContact } from '../network/first-contact.ts'
import { Handshaker } from '../network/handshaker.ts'
import { HttpExchange } from '../network/http-exchange.ts'
import { HttpPeerClient } from '../network/http-peer-client.ts'
import { IntroducingClient } from '../network/introducing-client.ts'
import { Poller } from '../network/poller.ts'
import { ProfileEvents } from '../network/profile-events.ts'
import { RequestReader } from '../network/request-reader.ts'
import { Returns } from '../network/returns.ts'
import { RidListings } from '../network/rid-listings.ts'
import { Resolver } from '../network/resolver.ts'
import type { HandlerChain } from '../pipeline/handler-chain.ts'
import { InboxWorker } from '../pipeline/inbox-worker.ts'
import type { AppliedKnowledge } from '../pipeline/pipeline.ts'
import { Pipeline } from '../pipeline/pipeline.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NodeStore } from '../store/node-store.ts'
import type { WorkQueue } from '../store/work-queue.ts'
import type { TraceBook } from '../tracing/trace-book.ts'
import { Lead } from './lead.ts'
import type { NetworkOptions } from './node-options.ts'

/** What the parts of a running node are made from. */
export interface NodeMaterial {
  readonly identity: NodeIdentity
  readonly store: NodeStore
  readonly queue: WorkQueue
  readonly lanesAtOnce: number | undefined
  readonly handlers: HandlerChain
  readonly adapters: readonly KnowledgeAdapter[]
  readonly firstContact: { readonly url: string; readonly rid: Rid | undefined } | undefined
  readonly network: NetworkOptions
  readonly peers: PeerList
  readonly ttlMs: number | undefined
  readonly log: Logger
  readonly observer: NodeObserver | undefined
  readonly traces: TraceBook
  readonly clock: Clock
  /** What is waited by: see `steadyClock`. */
  readonly steady: Clock
  /** Aborted when the node stops. */
  readonly signal: AbortSignal
  readonly faults: Faults | undefined
  readonly onApplied: (applied: AppliedKnowledge) => void
  readonly onChange: (change: KnowledgeChange) => void
}

export type NodeParts = ReturnType<typeof assembleNode>

const MAX_ATTEMPTS = 3
const BACKOFF_FACTOR = 1.5
const LANES_AT_ONCE = 128

/** The whole wiring of a node on one page. */
export function assembleNode(material: NodeMaterial) {
  const { identity, store, queue, handlers, adapters, network, peers, log, clock, steady, signal, faults } = material
  const { observer } = material
  const maxAttempts = network.maxRetries ?? MAX_ATTEMPTS
  const backoffFactor = network.backoffFactor ?? BACKOFF_FACTOR
  const backoff: BackoffOptions = { baseMs: 1_000, factor: backoffFactor, capMs: 60_000 }
  const self = identity.rid
  const { traces } = material

  const http = new HttpExchange({
    connectTimeoutMs: network.connectTimeoutMs,
    requestTimeoutMs: network.requestTimeoutMs,
  })
  const graph = new NetworkGraph(self)
  const contact =
    material.firstContact &&
    new FirstContact({ ...material.firstContact, http, store, peers, log, clock: steady, backoff })
  const addressOf = addressBook(graph, () => contact?.known)
  const profileEvents = new ProfileEvents({ identity, store, clock })
  const farewells = new Farewells({ store, http, addressOf, peers, log, backoff, signal })
  const direct = farewells.ahead(new HttpPeerClient({ identity, addressOf, http, peers, log, observer, signal }))
  const client = new IntroducingClient({ client: direct, profileEvents, log, signal })
  const lead = new Lead({ store, log })
  const under = () => lead.lease
  const ttl = material.ttlMs === undefined ? undefined : new TimeToLive(material.ttlMs, clock, steady)
  const catchUps = new CatchUps({ self, client, store, log, backoff, under, ttl })
  const resolver = new Resolver({ self, client, graph, store, peers, log, clock, signal })
  const { maxClockSkewMs } = network
  const pipeline = new Pipeline({
    handlers,
    store,
    graph,
    identity,
    client,
    log,
    observer,
    clock,
    maxClockSkewMs,
    ttl,
    peers,
    signal,
    maxAttempts,
    onApplied: material.onApplied,
  })
  const inbox = new InboxWorker({
    store,
    queue,
    pipeline: { run: (lease, arrival) => traces.handling(arrival, () => pipeline.run(lease, arrival)) },
    owner: `inbox-${crypto.randomUUID()}`,
    log,
    clock: steady,
    concurrency: material.lanesAtOnce ?? LANES_AT_ONCE,
    maxAttempts,
    backoffFactor,
  })
  const outgoing = {
    store,
    client: faults === undefined ? direct : clientWithFaults(direct, faults),
    graph,
    addressOf,
    peers,
    retentionMs: network.deliveryRetentionMs,
    ownProfileEvent: () => profileEvents.introduction(),
    log,
    observer,
    traces,
    clock: steady,
  }
  const delivery = new DeliveryWorker({
    ...outgoing,
    queue,
    maxUnknownTargets: network.maxNodes,
    backoff,
  })
  const returns = new Returns({ ...outgoing, identity })
  const expiry = ttl && new Expiry({ ttl, store, log, steady })
  const handshaker = new Handshaker({
    client: direct,
    profileEvents,
    graph,
    store,
    log,
    observer,
    clock: steady,
    backoff,
  })
  const poller = new Poller({
    self,
    client,
    graph,
    store,
    firstContact: () => contact?.known?.rid,
    peers,
    log,
    observer,
    intervalMs: network.pollIntervalMs ?? 5_000,
  })
  const adapterRunner = new AdapterRunner({
    knowledge: store,
    adapters: faults === undefined ? adapters : adapters.map((adapter) => adapterWithFaults(adapter, faults)),
    log,
    traces,
  })
  adapterRunner.onChange(material.onChange)
  const reader = new RequestReader()
  const listings = new RidListings(store)
  return {
    http,
    graph,
    contact,
    farewells,
    lead,
    client,
    catchUps,
    resolver,
    inbox,
    delivery,
    returns,
    expiry,
    handshaker,
    poller,
    adapterRunner,
    reader,
    listings,
  }
}
