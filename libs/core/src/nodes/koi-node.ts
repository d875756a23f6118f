import { asRid, wellKnownText } from '@koi-mcp/protocol'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import { BackupError } from '../backup/backup-manifest.ts'
import type { BackupManifest } from '../backup/backup-manifest.ts'
import { fillBackup, placeBackup } from '../backup/write-backup.ts'
import { publishing } from '../business-events.ts'
import { steadyClock, systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { KnowledgeAdapter } from '../domain/adapter.ts'
import { KoiMcpRegistry } from '../domain/koi-mcp-registry.ts'
import { replyWithFaults } from '../fault-points.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { KnowledgeChange, KnowledgeReader } from '../knowledge/knowledge-reader.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'
import type { NodeReply } from '../network/node-reply.ts'
import { sleep } from '../network/backoff.ts'
import { unavailableReply } from '../network/node-reply.ts'
import { handleRequest } from '../network/request-handler.ts'
import type { DerefOptions } from '../network/resolver.ts'
import { HandlerChain } from '../pipeline/handler-chain.ts'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import { registerDefaultHandlers } from '../pipeline/handlers/default-handlers.ts'
import { Subscriptions } from '../pipeline/subscriptions.ts'
import { PeerList } from '../security/peer-list.ts'
import type { Shares } from '../sources/share.ts'
import { SourceShares } from '../sources/source-shares.ts'
import { WholeSource } from '../sources/whole-source.ts'
import type { NamedLease, NewArrival, NodeStore } from '../store/node-store.ts'
import type { CopyStore } from '../store/sqlite-store.ts'
import { storeQueue } from '../store/work-queue.ts'
import type { WorkQueue } from '../store/work-queue.ts'
import { storeWithTraces } from '../tracing/store-with-traces.ts'
import { TraceBook } from '../tracing/trace-book.ts'
import { isTracing, spanning } from '../tracing/tracer.ts'
import { serveNode } from './http-server.ts'
import type { HttpServer } from './http-server.ts'
import { joinNetwork } from './join-network.ts'
import { nodeEventOf } from './node-event.ts'
import type { NodeEvent } from './node-event.ts'
import type { NodeOptions, NodeRole, SecurityOptions } from './node-options.ts'
import { assembleNode } from './node-parts.ts'
import type { NodeParts } from './node-parts.ts'
import { keyFileOf, NodeStateError, openState } from './open-state.ts'
import { toForget, toKnowledge } from './publishing.ts'
import type { Publishable } from './publishing.ts'

/** `place`: where it stands in the node's order of arrivals. */
export interface Published {
  readonly rid: Rid
  readonly place: number
}

export interface PublishOptions {
  /** Anything published under the same one within a day is this. */
  readonly idempotencyKey?: string | undefined
  /** Nothing is published once this lease has passed to another process, or has run out. */
  readonly under?: NamedLease | undefined
}

interface Running {
  readonly identity: NodeIdentity
  readonly store: NodeStore
  readonly copyStore: CopyStore | undefined
  readonly queue: WorkQueue
  readonly parts: NodeParts
  readonly server: HttpServer | undefined
  background: readonly Promise<void>[]
}

const NEVER = new AbortController().signal
export interface StopOptions {
  /** How long what is on its way may take to end by itself, in milliseconds. */
  readonly graceMs?: number
}

/** What was told to end does so within this, or is left behind. */
const CUT_OFF_MS = 1_000
const PUBLISH_KEY_MS = 24 * 3_600_000

/**
 * A KOI-net node inside an application. `start` loads or makes its identity, recovers what was unfinished, introduces it to its first contact and
 * serves the protocol; `stop` drains and closes. Made through `CoordinatorNode`, `ProducerNode` or `ConsumerNode`.
 */
export class KoiNode {
  readonly role: NodeRole['role']
  readonly registry = new KoiMcpRegistry()
  /** Where handlers are registered, before or after the start. */
  readonly processor: KnowledgeProcessor
  protected readonly handlers = new HandlerChain()
  protected readonly subscriptions: Subscriptions
  readonly #options: NodeOptions
  readonly #role: NodeRole
  readonly #peers: PeerList
  readonly #log: Logger
  readonly #clock: Clock
  readonly #steady: Clock
  readonly #stopping = new AbortController()
  readonly #changeListeners = new Set<(change: KnowledgeChange) => void>()
  readonly #eventListeners = new Set<(event: NodeEvent) => void>()
  #starting: Promise<Running> | undefined
  #running: Running | undefined
  #stopped: Promise<void> | undefined

  protected constructor(
    options: NodeOptions,
    describe: (registry: KoiMcpRegistry) => NodeRole,
    always: readonly string[],
  ) {
    this.#options = options
    this.#log = options.log ?? silentLogger
    this.#clock = options.clock ?? systemClock
    this.#steady = steadyClock(this.#clock)
    for (const domain of options.domains ?? []) this.registry.registerExtension(domain)
    this.#role = describe(this.registry)
    this.role = this.#role.role
    this.#peers = peersOf(options.security)
    this.subscriptions = new Subscriptions({
      interest: this.#role.interest,
      always,
      peers: this.#peers,
    })
    this.processor = this.handlers
    registerDefaultHandlers(this.handlers, this.subscriptions, {
      mode: options.security?.authority ?? 'origin',
      peers: this.#peers,
      maxNodes: options.network?.maxNodes,
      firstContact: () => this.#running?.parts.contact?.rid,
    })
    this.registry.configureNode(this, options.domainNames)
  }

  get identity(): NodeIdentity {
    return this.#run().identity
  }
  /** Where other nodes reach this one; a port of 0 has become the one taken. Absent for a partial node. */
  get baseUrl(): string | undefined {
    return this.identity.profile.base_url
  }
  get store(): NodeStore {
    return this.#run().store
  }
  get queue(): WorkQueue {
    return this.#run().queue
  }
  get graph(): NodeGraph {
    return this.#run().parts.graph
  }
  get knowledge(): KnowledgeReader {
    return this.#run().store
  }
  get adapters(): ReadonlyMap<string, KnowledgeAdapter> {
    return this.registry.adapters
  }
  /** Whether this process does what one of its node does for all of them; in a node of one process, always. */
  get leads(): boolean {
    return this.#run().parts.lead.leads
  }
  /** Errors of adapters so far: they are logged and stop nothing. */
  get adapterErrors(): number {
    return this.#run().parts.adapterRunner.errors
  }

  /** Starts the node; when it resolves, the node serves. Called again, it waits for the same start. */
  async start(): Promise<void> {
    await this.#started()
  }

  /**
   * Stops taking work, ends what is on its way, closes the store. Calls and handlers that take longer than `graceMs` (default 5,000) are cut off, and
   * a second later nothing is waited for any more. What is not done yet goes on at the next start.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return (this.#stopped ??= this.#stop(options))
  }

  /** Another name of `stop`. */
  shutdown(options?: StopOptions): Promise<void> {
    return this.stop(options)
  }

  /**
   * Publishes own knowledge. When this resolves it is durable, and will be cached, and announced to every subscriber, whatever happens to this
   * process. The same `idempotencyKey` again within a day changes nothing. Starts the node if it was not started.
   * @throws PublishError or SchemaError with every problem of the input; LeaseLostError where the lease `under` is not held any more
   */
  async publish(input: Publishable, options: PublishOptions = {}): Promise<Published> {
    const { store } = await this.#started()
    return publishing(this.#options, 'publish', async () => {
      const { rid, contents } = toKnowledge(this.registry.schemas, input)
      const place = await this.#accept(store, { rid, eventType: 'NEW', contents }, options)
      return { rid, place }
    })
  }

  /**
   * Forgets own knowledge, here and at every subscriber.
   * @throws PublishError for no RID, and for nodes and edges; LeaseLostError as `publish`
   */
  async forget(rid: string, options: Pick<PublishOptions, 'under'> = {}): Promise<void> {
    const { store } = await this.#started()
    await publishing(this.#options, 'forget', async () =>
      this.#accept(store, { rid: toForget(rid), eventType: 'FORGET' }, options),
    )
  }

  /**
   * Divides what this node does by itself, such as the work of a source, among its processes: see `Shares`. `work` names it, the same in all of them.
   * To be called on a node that is started; whoever starts the shares stops them before the node.
   */
  divide(work: string): Shares {
    const { store } = this.#run()
    if (this.#options.openStore === undefined) return new WholeSource()
    return new SourceShares({ store, source: work, log: this.#log })
  }

  /**
   * Makes a backup of this running node in a folder that is not there yet: key, store and a manifest, as of one moment, which start as this node
   * (see docs/operations.md). The node works on meanwhile.
   * @throws BackupError or StoreError; nothing is left at the place then
   */
  backup(folder: string, signal: AbortSignal = NEVER): Promise<BackupManifest> {
    return placeBackup(folder, (partial) => this.fillBackup(partial, signal))
  }

  /** The same into an empty folder that only this user can look into. */
  async fillBackup(folder: string, signal: AbortSignal = NEVER): Promise<BackupManifest> {
    const { identity, copyStore } = await this.#started()
    const key = keyFileOf(this.#options)
    if (copyStore === undefined) {
      throw new BackupError(
        "this node shares its store with others on a server: back that up with the server's own tools, and the private key beside it (docs/operations.md)",
      )
    }
    if (key === undefined) throw new BackupError('this node lives in memory: give it a state folder to back it up')
    return fillBackup(folder, { node: identity.rid, key, copyStore, clock: this.#clock }, signal)
  }

  /** Finds what an RID stands for: the cache, then deref handlers, then (with `network`) the nodes that provide its type. */
  async deref(rid: string, options: DerefOptions = {}): Promise<Bundle | undefined> {
    const { parts } = await this.#started()
    return (await parts.resolver.deref(asRid(rid, 'rid'), options))?.bundle
  }

  /** Registers everything that is cached with the adapters again, as every start does by itself: for an adapter that lost what it held. */
  async recoverState(): Promise<void> {
    const { parts } = await this.#started()
    await parts.adapterRunner.recover()
  }

  /** Answers one call of another node; `path` behind the base URL, such as `/events/broadcast`. Never rejects. */
  async handleRequest(path: string, body: Uint8Array, from?: string): Promise<NodeReply> {
    const running = this.#running
    if (running === undefined) return unavailableReply('This node is starting or stopping, try again', 1)
    const { identity, store, parts } = running
    const { graph, reader, listings, returns } = parts
    const [peers, log, clock] = [this.#peers, this.#log, this.#steady]
    const { faults, observer } = this.#options
    const onCall = (source: Rid): void => returns.met(source)
    const followGraph = (): Promise<void> => graph.follow(store)
    const deps = { identity, store, graph, followGraph, reader, listings, peers, log, observer, clock, onCall }
    const reply = await handleRequest(path, body, deps, from)
    return faults === undefined ? reply : replyWithFaults(path, reply, faults)
  }

  /** The JSON of `GET /.well-known/koi-net.json`: who answers at this host. */
  wellKnown(): string {
    const { rid, profile } = this.identity
    if (profile.base_url === undefined) throw new NodeStateError('a partial node has no address to tell')
    return wellKnownText({ rid, base_url: profile.base_url, profile })
  }

  /** Calls the listener for every change of the cache, after adapters have seen it. Returns unsubscribe. */
  onChange(listener: (change: KnowledgeChange) => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }

  /** Calls the listener for everything that happens here, as it happens. Returns unsubscribe. */
  onEvent(listener: (event: NodeEvent) => void): () => void {
    this.#eventListeners.add(listener)
    return () => this.#eventListeners.delete(listener)
  }

  /** Resolves once nothing is left to be done now: polls, catching up, inbox, deliveries, adapters. What waits for a retry does not count. */
  async idle(): Promise<void> {
    const { parts, store } = await this.#started()
    for (let quiet = 0; quiet < 2; quiet++) {
      await parts.poller.idle()
      await parts.catchUps.idle()
      const { pending, nextDueAt } = await store.inboxState()
      if (pending > 0 && (nextDueAt === undefined || nextDueAt <= this.#steady())) {
        quiet = -1
        await new Promise((resolve) => setTimeout(resolve, 5))
        continue
      }
      await parts.delivery.idle()
      await parts.adapterRunner.caughtUp()
    }
  }

  #run(): Running {
    if (this.#running === undefined) {
      throw new NodeStateError(
        this.#stopped === undefined ? 'start the node first: await node.start()' : 'the node was stopped',
      )
    }
    return this.#running
  }

  #started(): Promise<Running> {
    if (this.#stopped !== undefined) return Promise.reject(new NodeStateError('the node was stopped'))
    return (this.#starting ??= this.#start())
  }

  async #start(): Promise<Running> {
    const log = this.#log
    const clock = this.#clock
    const steady = this.#steady
    const signal = this.#stopping.signal
    const server = await this.#listen()
    try {
      const baseUrl = withPort(this.#options.baseUrl, server?.port)
      const {
        identity,
        store: opened,
        copyStore,
      } = await openState(this.#options, {
        baseUrl,
        provides: this.#role.provides,
        clock,
        steady,
        log,
      })
      const traces = new TraceBook(opened, log)
      const store = isTracing() ? storeWithTraces(opened, traces) : opened
      const { openQueue = (context) => storeQueue(context.store), lanesAtOnce } = this.#options
      const queue = await openQueue({ store, log })
      const parts = assembleNode({
        identity,
        store,
        queue,
        lanesAtOnce,
        handlers: this.handlers,
        adapters: [...this.adapters.values()],
        firstContact: firstContactOf(this.#options),
        network: this.#options.network ?? {},
        peers: this.#peers,
        ttlMs: this.#options.ttlMs,
        log,
        observer: this.#options.observer,
        traces,
        clock,
        steady,
        signal,
        faults: this.#options.faults,
        onApplied: (applied) => this.#tell(this.#eventListeners, () => nodeEventOf(applied, clock())),
        onChange: (change) => this.#tell(this.#changeListeners, () => change),
      })
      const running: Running = { identity, store, copyStore, queue, parts, server, background: [] }
      this.#running = running
      try {
        await parts.graph.load(store)
        await parts.contact?.recall()
        await parts.farewells.recall()
        running.background = await joinNetwork({
          ...running,
          subscriptions: this.subscriptions,
          peers: this.#peers,
          log,
          signal,
        })
      } catch (error) {
        await this.#close(running)
        throw error
      }
      log.info('node started', { rid: identity.rid, url: baseUrl, role: this.role })
      return running
    } catch (error) {
      await server?.close()
      throw error
    }
  }

  async #listen(): Promise<HttpServer | undefined> {
    const { baseUrl, port, listen } = this.#options
    if (baseUrl === undefined || listen === false) return undefined
    const url = new URL(baseUrl)
    return serveNode(this, {
      host: url.hostname,
      port: port ?? portOf(url),
      basePath: url.pathname.replace(/\/+$/, ''),
      log: this.#log,
    })
  }

  async #accept(store: NodeStore, arrival: NewArrival, { idempotencyKey, under }: PublishOptions): Promise<number> {
    const once =
      idempotencyKey === undefined
        ? undefined
        : { key: `publish/${idempotencyKey}`, until: this.#steady() + PUBLISH_KEY_MS }
    const name = arrival.eventType === 'FORGET' ? 'forget' : 'publish'
    const { places } = await spanning(name, { kind: 'producer', attributes: { 'koi_mcp.rid': arrival.rid } }, () =>
      store.accept([arrival], once, under),
    )
    return places[0] ?? 0
  }

  #tell<T>(listeners: ReadonlySet<(told: T) => void>, make: () => T): void {
    if (listeners.size === 0) return
    const told = make()
    for (const listener of listeners) {
      try {
        listener(told)
      } catch (error) {
        this.#log.error('a listener failed', { error })
      }
    }
  }

  async #stop(options: StopOptions): Promise<void> {
    const running = await this.#starting?.catch(() => undefined)
    if (running === undefined) return
    await this.#close(running, options)
    this.#log.info('node stopped', { rid: running.identity.rid })
  }

  async #close(
    { parts, server, store, queue, background }: Running,
    { graceMs = 5_000 }: StopOptions = {},
  ): Promise<void> {
    const drained = Promise.all([server?.close(), parts.inbox.stop(), parts.delivery.stop()])
    await within(graceMs, drained)
    this.#stopping.abort()
    const ended = Promise.all([drained, parts.catchUps.stop(), ...background, parts.adapterRunner.stop()])
    if (!(await within(CUT_OFF_MS, ended))) {
      this.#log.warn(
        'stopped while a handler, an adapter or a request still runs; what it was about goes on at the next start',
      )
    }
    this.#running = undefined
    await parts.reader.close()
    await parts.http.close()
    await store.close().finally(() => queue.close())
  }
}

/** Whether the work came to its end in time. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const late = new AbortController()
  const inTime = await Promise.race([work.then(() => true), sleep(ms, late.signal).then(() => false)])
  late.abort()
  return inTime
}

function firstContactOf({ firstContact: url, firstContactRid }: NodeOptions) {
  if (url === undefined) return undefined
  return { url, rid: firstContactRid === undefined ? undefined : asRid(firstContactRid, 'firstContactRid') }
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port)
  return protocol === 'https:' ? 443 : 80
}

function peersOf({ peers, peerTypes }: SecurityOptions = {}): PeerList {
  return peers === 'listed' ? PeerList.of(peerTypes ?? {}) : PeerList.open
}

function withPort(baseUrl: string | undefined, port: number | undefined): string | undefined {
  if (baseUrl === undefined || port === undefined) return baseUrl
  const url = new URL(baseUrl)
  if (url.port === '0') url.port = String(port)
  return url.href.replace(/\/+$/, '')
}
