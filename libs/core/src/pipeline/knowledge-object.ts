import type { Bundle, Contents, EventType, Manifest, Rid } from '@koi-mcp/protocol'

/**
 * Knowledge on its way through the pipeline (the reference's `KnowledgeObject`). Handlers get one and may return a changed copy.
 *
 * - `source`: the node it came from; absent = this node itself.
 * - `normalizedEventType`: what it means to *this* node, and so what happens to the cache: NEW, UPDATE = write, FORGET = delete, absent = nothing.
 * - `networkTargets`: nodes that will be told.
 * - `previous`: the bundle overwritten by an UPDATE. A FORGET carries the bundle about to go in `manifest` and `contents`.
 */
export interface KnowledgeObject {
  readonly rid: Rid
  readonly manifest?: Manifest | undefined
  readonly contents?: Contents | undefined
  readonly eventType?: EventType | undefined
  readonly normalizedEventType?: EventType | undefined
  readonly source?: Rid | undefined
  readonly networkTargets: ReadonlySet<Rid>
  readonly previous?: Bundle | undefined
}
