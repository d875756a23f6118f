import type {
  BackupManifest,
  Carried,
  FollowKnowledge,
  KnowledgeReader,
  NodeGraph,
  NodeIdentity,
  NodeStore,
  WorkQueue,
} from '@koi-mcp/core'

/** What a service needs of its node; the nodes of `@koi-mcp/core` fit it, and so does a test's fake. */
export interface ServiceNode extends Carried {
  readonly identity: Pick<NodeIdentity, 'rid' | 'name' | 'profile'>
  readonly knowledge: KnowledgeReader
  readonly graph: NodeGraph
  readonly store: Pick<
    NodeStore,
    | 'inboxState'
    | 'outboxState'
    | 'lapsedTargets'
    | 'lastChange'
    | 'listDeadLetters'
    | 'replayDeadLetter'
    | 'dropDeadLetter'
  >
  readonly queue: Pick<WorkQueue, 'state' | 'counts'>
  readonly leads: boolean
  /** What this process does. */
  onEvent(listener: (event: NodeHappening) => void): () => void
  /** What becomes of the cache, whichever process of the node does it. */
  readonly onChange: FollowKnowledge
  /** Writes key and store into an empty folder of this user's own. */
  fillBackup(folder: string, signal: AbortSignal): Promise<BackupManifest>
  start(options?: { signal?: AbortSignal }): Promise<void>
  stop(): Promise<void>
}

/** A node that publishes: the producer. */
export interface PublishingNode {
  readonly registry: { readonly schemas: { readonly names: readonly string[] } }
  publish(
    input: object,
    options?: { idempotencyKey?: string },
  ): Promise<{ readonly rid: string; readonly place?: number }>
  forget(rid: string): Promise<unknown>
}

/** One change of what the node knows, as it happens (`NodeEvent` of `@koi-mcp/core`). */
export interface NodeHappening {
  /** ISO 8601, UTC. */
  readonly at: string
  readonly event: 'NEW' | 'UPDATE' | 'FORGET'
  readonly rid: string
  readonly ridType: string
  readonly about: 'node' | 'edge' | 'knowledge'
  /** The node it came from; absent = this node itself. */
  readonly source?: string | undefined
  readonly edge?:
    | {
        readonly provider: string
        readonly subscriber: string
        readonly status: string
        readonly ridTypes: readonly string[]
      }
    | undefined
}
