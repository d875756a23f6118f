import type { KnowledgeReader, PublishOptions, Shares } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'

type Under = Pick<PublishOptions, 'under'>

/** The node as a source sees it; a `ProducerNode` fits. */
export interface Publisher {
  publish(knowledge: { readonly rid: Rid; readonly contents: object }, options?: Under): Promise<unknown>
  forget(rid: Rid, options?: Under): Promise<unknown>
  readonly knowledge: KnowledgeReader
  divide(work: string): Shares
}
