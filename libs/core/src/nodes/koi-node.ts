import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { asRid, generateKeyPair, nodeProfileContents, sha256Contents, wellKnownText } from '@koi-mcp/protocol'
import type { Bundle, Contents, Rid } from '@koi-mcp/protocol'
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { KnowledgeAdapter } from '../domain/adapter.ts'
import { KoiMcpRegistry } from '../domain/koi-mcp-registry.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import { loadOrCreateKey } from '../identity/key-file.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { KnowledgeChange, KnowledgeReader } from '../knowledge/knowledge-reader.ts'
import { silentLogger } from '../logger.ts'
import type { Logger } from '../logger.ts'
import type { NodeReply } from '../network/node-reply.ts'
import { unavailableReply } from '../network/node-reply.ts'
import { handleRequest } from '../network/request-handler.ts'
import type { DerefOptions } from '../network/resolver.ts'
import { HandlerChain } from '../pipeline/handler-chain.ts'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import { registerDefaultHandlers } from '../pipeline/handlers/default-handlers.ts'
import { Subscriptions } from '../pipeline/subscriptions.ts'
import type { NewArrival, NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { serveNode } from './http-server.ts'
import type { HttpServer } from './http-server.ts'
import { nodeEventOf } from './node-event.ts'
import type { NodeEvent } from './node-event.ts'
import type { NodeOptions, NodeRole } from './node-options.ts'
import { assembleNode } from './node-parts.ts'
import type { NodeParts } from './node-parts.ts'
import { toKnowledge } from './publishing.ts'
import type { Publishable } from './publishing.ts'

/** The node was used before it was started, or after it was stopped; or its state folder belongs to another node. */
export class NodeStateError extends Error {
  readonly code = 'NODE_STATE'
}

/** `place`: where it stands in the node's order of arrivals. */
export interface Published {
  readonly rid: Rid
  readonly place: number
}

interface Running {
  readonly identity: NodeIdentity
  readonly store: NodeStore
  readonly parts: NodeParts
  readonly server: HttpServer | undefined
  readonly background: Promise<unknown>[]
}

const PUBLISH_KEY_MS = 24 * 3_600_000
const OWN_PROFILE_WAIT_MS = 10_000

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
  readonly #log: Logger
  readonly #clock: Clock
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
    for (const domain of options.domains ?? []) this.registry.registerExtension(domain)
    this.#role = describe(this.registry)
    this.role = this.#role.role
    this.subscriptions = new Subscriptions({
      interest: this.#role.interest,
      always,
      catchUp: (node, types) => this.#running?.parts.catchUps.request(node, types),
    })
    this.processor = this.handlers
    registerDefaultHandlers(this.handlers, this.subscriptions)
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
  get graph(): NodeGraph {
    return this.#run().parts.graph
  }
  get knowledge(): KnowledgeReader {
    return this.#run().store
  }
  get adapters(): ReadonlyMap<string, KnowledgeAdapter> {
    return this.registry.adapters
  }
  /** Errors of adapters so far: they are logged and stop nothing. */
  get adapterErrors(): number {
    return this.#run().parts.adapterRunner.errors
  }

  /** Starts the node; when it resolves, the node serves. Called again, it waits for the same start. */
  async start(): Promise<void> {
    await this.#started()
  }

  /** Stops taking work, ends what is on its way, closes the store. What is not done yet goes on at the next start. */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop())
  }

  /**
   * Publishes own knowledge. When this resolves it is durable, and will be cached, and announced to every subscriber, whatever happens to this
   * process. The same `idempotencyKey` again within a day changes nothing. Starts the node if it was not started.
   * @throws PublishError or SchemaError with every problem of the input
   */
  async publish(input: Publishable, options: { readonly idempotencyKey?: string } = {}): Promise<Published> {
    const { store } = await this.#started()
    const { rid, contents } = toKnowledge(this.registry.schemas, input)
    const place = await this.#accept(store, { rid, eventType: 'NEW', contents }, options.idempotencyKey)
    return { rid, place }
  }

  /** Forgets own knowledge, here and at every subscriber. */
  async forget(rid: string): Promise<void> {
    const { store } = await this.#started()
    await this.#accept(store, { rid: asRid(rid, 'rid'), eventType: 'FORGET' }, undefined)
  }

  /** Finds what an RID stands for: the cache, then deref handlers, then (with `network`) the nodes that provide its type. */
  async deref(rid: string, options: DerefOptions = {}): Promise<Bundle | undefined> {
    const { parts } = await this.#started()
    return (await parts.resolver.deref(asRid(rid, 'rid'), options))?.bundle
  }

  /** Answers one call of another node; `path` behind the base URL, such as `/events/broadcast`. Never rejects. */
  async handleRequest(path: string, body: Uint8Array): Promise<NodeReply> {
    const running = this.#running
    if (running === undefined) return unavailableReply('This node is starting or stopping, try again', 1)
    const { identity, store, parts } = running
    return handleRequest(path, body, { identity, store, graph: parts.graph, log: this.#log, clock: this.#clock })
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

  /** Resolves once nothing is left to be done now: inbox, catching up, deliveries, adapters. What waits for a retry does not count. */
  async idle(): Promise<void> {
    const { parts, store } = await this.#started()
    for (let quiet = 0; quiet < 2; quiet++) {
      await parts.catchUps.idle()
      const { pending, nextDueAt } = await store.inboxState()
      if (pending > 0 && (nextDueAt === undefined || nextDueAt <= this.#clock())) {
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
    const { name, state, keyPassword, durability, firstContact, firstContactRid } = this.#options
    const server = await this.#listen()
    let opened: NodeStore | undefined
    try {
      if (state !== undefined) await mkdir(state, { recursive: true, mode: 0o700 })
      const privateKey =
        state === undefined
          ? generateKeyPair().privateKey
          : await loadOrCreateKey(join(state, 'private.pem'), keyPassword)
      const baseUrl = withPort(this.#options.baseUrl, server?.port)
      const identity = makeIdentity({ name, baseUrl, privateKey, provides: this.#role.provides })
      const store = await openSqliteStore({
        path: state === undefined ? ':memory:' : join(state, 'knowledge.db'),
        durability: durability ?? 'full',
        clock: this.#clock,
        log: this.#log,
      })
      opened = store
      await claimStore(store, identity.rid)
      const parts = assembleNode({
        identity,
        store,
        handlers: this.handlers,
        adapters: [...this.adapters.values()],
        firstContact:
          firstContact === undefined
            ? undefined
            : {
                url: firstContact,
                rid: firstContactRid === undefined ? undefined : asRid(firstContactRid, 'firstContactRid'),
              },
        network: this.#options.network ?? {},
        log: this.#log,
        clock: this.#clock,
        signal: this.#stopping.signal,
        onApplied: (applied) => this.#tell(this.#eventListeners, () => nodeEventOf(applied, this.#clock())),
        onChange: (change) => this.#tell(this.#changeListeners, () => change),
      })
      await parts.graph.load(store)
      const running: Running = { identity, store, parts, server, background: [] }
      this.#running = running
      await this.#join(running)
      this.#log.info('node started', { rid: identity.rid, url: baseUrl, role: this.role })
      return running
    } catch (error) {
      this.#running = undefined
      await server?.close()
      await opened?.close()
      throw error
    }
  }

  async #listen(): Promise<HttpServer | undefined> {
    const { baseUrl, listen } = this.#options
    if (baseUrl === undefined || listen === false) return undefined
    const { hostname, port, pathname } = new URL(baseUrl)
    return serveNode(this, { host: hostname, port: Number(port), basePath: pathname.replace(/\/+$/, '') })
  }

  /** From here on the node works: recovers, makes its profile known, subscribes, catches up, introduces itself. */
  async #join({ identity, store, parts, background }: Running): Promise<void> {
    const signal = this.#stopping.signal
    parts.inbox.start()
    parts.delivery.start(signal)
    await parts.adapterRunner.start({ signal })
    await this.#settleProfile(store, identity)
    const proposals: NewArrival[] = []
    const context = {
      identity,
      graph: parts.graph,
      log: this.#log,
      push: (arrival: NewArrival) => proposals.push(arrival),
    }
    for (const node of parts.graph.nodes()) {
      const profile = parts.graph.profile(node)
      if (profile !== undefined) this.subscriptions.contact(context, node, profile, { afresh: false })
    }
    if (proposals.length > 0) await store.accept(proposals)
    for (const { profile } of parts.graph.edgesOf(identity.rid)) {
      if (profile.target === identity.rid && parts.graph.profile(profile.source)?.node_type === 'FULL') {
        parts.catchUps.request(profile.source, profile.rid_types)
      }
    }
    if (parts.contact !== undefined) background.push(this.#meet(parts, signal))
    if (identity.profile.node_type === 'PARTIAL') background.push(parts.poller.run(signal))
  }

  async #meet({ contact, handshaker }: NodeParts, signal: AbortSignal): Promise<void> {
    try {
      const known = await contact?.learn(signal)
      if (known !== undefined) await handshaker.start(known.rid, signal)
    } catch (error) {
      this.#log.error(`the first contact is refused: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** Puts this node's profile into its own cache, where handshakes and fetches find it, and waits until it is there. */
  async #settleProfile(store: NodeStore, { rid, profile }: NodeIdentity): Promise<void> {
    const contents: Contents = nodeProfileContents(profile)
    const hash = sha256Contents(contents.value)
    const settled = async (): Promise<boolean> => (await store.read(rid))?.bundle.manifest.sha256_hash === hash
    if (await settled()) return
    await store.accept([{ rid, contents }])
    const until = Date.now() + OWN_PROFILE_WAIT_MS
    while (!(await settled())) {
      if (Date.now() > until) {
        this.#log.warn('the inbox is long: this node starts before its own profile is worked off', { rid })
        return
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  async #accept(store: NodeStore, arrival: NewArrival, idempotencyKey: string | undefined): Promise<number> {
    const once =
      idempotencyKey === undefined
        ? undefined
        : { key: `publish/${idempotencyKey}`, until: this.#clock() + PUBLISH_KEY_MS }
    const { places } = await store.accept([arrival], once)
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

  async #stop(): Promise<void> {
    const running = await this.#starting?.catch(() => undefined)
    if (running === undefined) return
    const { parts, server, store, background } = running
    await server?.close()
    await parts.inbox.stop()
    await parts.delivery.stop()
    this.#stopping.abort()
    await parts.catchUps.stop()
    await Promise.all(background)
    await parts.adapterRunner.stop()
    this.#running = undefined
    await parts.http.close()
    await store.close()
    this.#log.info('node stopped', { rid: running.identity.rid })
  }
}

const OWNER_KEY = 'node/rid'

/** A store is one node's: under another key or name, what it holds as its own would be nobody's. */
async function claimStore(store: NodeStore, rid: Rid): Promise<void> {
  const owner = await store.getValue(OWNER_KEY)
  if (owner === undefined) await store.setValue(OWNER_KEY, rid)
  else if (owner !== rid) {
    throw new NodeStateError(
      `the state folder belongs to the node ${owner}, but name and key make ${rid}: set node.name back, or give this node a folder of its own`,
    )
  }
}

function withPort(baseUrl: string | undefined, port: number | undefined): string | undefined {
  if (baseUrl === undefined || port === undefined) return baseUrl
  const url = new URL(baseUrl)
  if (url.port === '0') url.port = String(port)
  return url.href.replace(/\/+$/, '')
}
