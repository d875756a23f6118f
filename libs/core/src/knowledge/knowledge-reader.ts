import type { Rid } from '@koi-mcp/protocol'
import type { ListOptions, SearchPage, StoredBundle } from '../store/node-store.ts'

/** Read access to what a node knows, as adapters, MCP, the registry and the CLI's API use it. A `NodeStore` fits it. */
export interface KnowledgeReader {
  read(rid: Rid): Promise<StoredBundle | undefined>
  readMany(rids: readonly Rid[]): Promise<readonly StoredBundle[]>
  listRids(options?: ListOptions): Promise<readonly Rid[]>
  listBundles(options?: ListOptions): Promise<readonly StoredBundle[]>
  countByType(): Promise<ReadonlyMap<string, number>>
  search(query: string, options?: { types?: readonly string[]; limit?: number; offset?: number }): Promise<SearchPage>
}

/** A change of the cache as it is told to those who follow it, after it is durable and after adapters have seen it. */
export interface KnowledgeChange {
  readonly seq: number
  readonly rid: Rid
  readonly eventType: 'NEW' | 'UPDATE' | 'FORGET'
  /** The node it came from; absent = our own. */
  readonly origin?: Rid | undefined
}

/** Follows the change log. Returns unsubscribe. */
export type FollowKnowledge = (listener: (change: KnowledgeChange) => void) => () => void
