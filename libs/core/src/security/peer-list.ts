import { asRid, KOI_NET_EDGE, KOI_NET_NODE, parseRidTypeName, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { DeliveryBatch } from '../store/node-store.ts'

/** What stands for every RID type in a list. */
const ALL = '*'

/**
 * With which nodes this one deals, and in which RID types (`security.peers`): whom it answers, hears, tells and calls. Nodes and edges, without which
 * nobody meets, are listed for every node that is.
 */
export class PeerList {
  /** Everyone, about everything. */
  static readonly open = new PeerList(undefined)
  /** Types by node, `undefined` = all of them; no map = no list. */
  readonly #listed: ReadonlyMap<Rid, ReadonlySet<string> | undefined> | undefined

  private constructor(listed: ReadonlyMap<Rid, ReadonlySet<string> | undefined> | undefined) {
    this.#listed = listed
  }

  /**
   * @param types RID types by node RID; `["*"]` = all
   * @throws ProtocolError for what is no node's RID, or no RID type
   */
  static of(types: Readonly<Record<string, readonly string[]>>): PeerList {
    return new PeerList(
      new Map(
        Object.entries(types).map(([node, names]) => {
          const rid = asRid(node, 'security.peer_types')
          if (ridTypeOf(rid) !== KOI_NET_NODE.name) throw new TypeError(`security.peer_types: ${node} is no node's RID`)
          for (const name of names) if (name !== ALL) parseRidTypeName(name, `security.peer_types.${node}`)
          return [rid, names.includes(ALL) ? undefined : new Set([...names, KOI_NET_NODE.name, KOI_NET_EDGE.name])]
        }),
      ),
    )
  }

  has(node: Rid): boolean {
    return this.#listed?.has(node) ?? true
  }

  /** Whether the operator listed it; where there is no list, nobody is. */
  names(node: Rid): boolean {
    return this.#listed?.has(node) ?? false
  }

  allows(node: Rid, ridType: string): boolean {
    if (this.#listed === undefined) return true
    return this.#listed.has(node) && (this.#listed.get(node)?.has(ridType) ?? true)
  }

  /** The batch without the events that its target may not be told of; once it is done they are gone with it. */
  within(batch: DeliveryBatch): DeliveryBatch {
    const told = batch.rids.map((rid) => this.allows(batch.target, ridTypeOf(rid)))
    if (!told.includes(false)) return batch
    return {
      ...batch,
      eventTexts: batch.eventTexts.filter((_, index) => told[index]),
      rids: batch.rids.filter((_, index) => told[index]),
    }
  }

  /** Of the types asked for (none = all), those that the node may be told of; nothing when that leaves none. */
  among(node: Rid, ridTypes: readonly string[]): readonly string[] | undefined {
    const allowed = this.#listed?.get(node)
    if (allowed === undefined) return this.has(node) ? ridTypes : undefined
    const left = ridTypes.length === 0 ? [...allowed] : ridTypes.filter((type) => allowed.has(type))
    return left.length === 0 ? undefined : left
  }
}
