import type { Clock } from '../clock.ts'
import type { DomainExtension } from '../domain/domain-extension.ts'
import type { Faults } from '../fault-points.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { AuthorityMode } from '../security/authority.ts'
import type { NodeStore } from '../store/node-store.ts'
import type { WorkQueue } from '../store/work-queue.ts'

/** What an application says to embed a node. */
export interface NodeOptions {
  /** The node's name: the part of its RID that people read. */
  readonly name: string
  /**
   * Where the node answers: `http://host:port/koi-net`. Port 0 takes any that is free. Absent: a partial node, which only calls and polls.
   */
  readonly baseUrl?: string | undefined
  /** Where it listens when that is not the port of `baseUrl`, such as behind a proxy. */
  readonly port?: number | undefined
  /** Folder of the key and the store. Absent: both live in memory, and every start is another node. */
  readonly state?: string | undefined
  /**
   * Brings a store that many processes of this node share, instead of one in the state folder: such as `openPostgresStore` of `@koi-mcp/backends/postgres`.
   * All of them have the same name, key, base URL and options. The node closes it.
   */
  readonly openStore?: ((context: StoreContext) => Promise<NodeStore>) | undefined
  /** The private key's file; default: `private.pem` in the state folder. */
  readonly privateKeyFile?: string | undefined
  /** Password of the private key; absent, the key is guarded by its file's mode alone. */
  readonly keyPassword?: string | undefined
  readonly domains?: readonly DomainExtension[] | undefined
  /** Which of the domains act on this node; all of them by default. */
  readonly domainNames?: readonly string[] | undefined
  /** Base URL of the node to introduce oneself to. */
  readonly firstContact?: string | undefined
  /** Pins that node's RID; absent, it is trusted on first use. */
  readonly firstContactRid?: string | undefined
  /**
   * `true` (default): the node opens its own HTTP server on the address of `baseUrl`. `false`: the application carries `handleRequest`
   * and `wellKnown` itself.
   */
  readonly listen?: boolean | undefined
  readonly network?: NetworkOptions | undefined
  readonly security?: SecurityOptions | undefined
  /**
   * Brings what wakes the processes of this node for work, such as `openBullQueue` of `@koi-mcp/backends/bullmq`; default: the store's own wake-ups. The node
   * closes it.
   */
  readonly openQueue?: ((context: QueueContext) => WorkQueue | Promise<WorkQueue>) | undefined
  /** Pieces of knowledge that this process works on side by side; default 128. */
  readonly lanesAtOnce?: number | undefined
  /** `full` (default): acknowledged survives the loss of power. `normal`: it survives the end of the process. */
  readonly durability?: 'full' | 'normal' | undefined
  /** Knowledge older than this goes, by the timestamp of its manifest, in milliseconds: our own everywhere, that of others here. Absent: none does. */
  readonly ttlMs?: number | undefined
  readonly log?: Logger | undefined
  /** Told of every business event, for metrics. */
  readonly observer?: NodeObserver | undefined
  readonly clock?: Clock | undefined
  /** For tests: called at the named points of an event's way through the node, where it may end the process, throw or wait. */
  readonly faults?: Faults | undefined
}

/** What a store is opened with. */
export interface StoreContext {
  readonly durability: 'full' | 'normal'
  readonly log: Logger
}

/** What a queue is opened with. */
export interface QueueContext {
  readonly store: Pick<NodeStore, 'onWake'>
  readonly log: Logger
}

export interface NetworkOptions {
  /** Milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds; default 30,000. */
  readonly requestTimeoutMs?: number | undefined
  /** Runs of one piece of knowledge before it becomes a dead letter; default 3. */
  readonly maxRetries?: number | undefined
  /** Each wait is this many times the one before; default 1.5. */
  readonly backoffFactor?: number | undefined
  /** How long what a subscriber does not take is kept for it, in milliseconds; default 7 days. */
  readonly deliveryRetentionMs?: number | undefined
  /** How often a partial node polls, in milliseconds; default 5,000. */
  readonly pollIntervalMs?: number | undefined
  /** How far in the future what other nodes tell may be dated, in milliseconds; default a day. */
  readonly maxClockSkewMs?: number | undefined
  /** Foreign nodes that are taken in, beside the first contact and those that are listed; default 10,000. */
  readonly maxNodes?: number | undefined
}

export interface SecurityOptions {
  /**
   * Who changes knowledge that others told: `origin` (default), whom it is about, whom it came from, or whom this node asked for it; `open`, anyone.
   * What this node published itself nobody else changes in either.
   */
  readonly authority?: AuthorityMode | undefined
  /** With whom this node deals: `open` (default), anyone who introduces itself; `listed`, the nodes of `peerTypes`. */
  readonly peers?: 'open' | 'listed' | undefined
  /** The RID types that a listed node may tell, and be told of: by node RID, `["*"]` = all. Nodes and edges always. */
  readonly peerTypes?: Readonly<Record<string, readonly string[]>> | undefined
}

/** What a kind of node brings to the assembly. */
export interface NodeRole {
  readonly role: 'coordinator' | 'producer' | 'consumer'
  /** RID types whose events and state the node provides. */
  readonly provides: { readonly event: readonly string[]; readonly state: readonly string[] }
  /** RID types the node wants to hear of. */
  readonly interest: readonly string[]
}
