import type { Logger, Shares } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { DataSchemaRID, ridPrefix } from '../rid-types.ts'
import type { Publisher } from './publisher.ts'
import { ownDatasets, ownSchemaRids } from './published-files.ts'

export interface SchemaUpkeepOptions {
  readonly source: string
  readonly publisher: Publisher
  readonly shares: Shares
  readonly log: Logger
  readonly signal: AbortSignal
  /** How long a schema has to be amiss, in milliseconds: what is being published meanwhile may not be seen yet. */
  readonly patienceMs: number
}

/**
 * Keeps a source's schemas as its datasets need them, where replicas publish datasets beside one another: none of them knows all that are in use, but
 * the node does. One of them does it for all.
 */
export class SchemaUpkeep {
  readonly #options: SchemaUpkeepOptions
  readonly #prefix: string
  /** Since when they are unused, or missing. */
  #amiss = new Map<Rid, number>()

  constructor(options: SchemaUpkeepOptions) {
    this.#options = options
    this.#prefix = ridPrefix(DataSchemaRID, options.source)
  }

  /** @throws LeaseLostError, and the errors of the publisher */
  async look(): Promise<void> {
    const { publisher, shares, patienceMs, log } = this.#options
    const share = shares.of(this.#prefix)
    const before = this.#amiss
    this.#amiss = new Map()
    if (share === undefined) return
    const { unused, missing } = await this.#compare()
    const now = performance.now()
    for (const rid of [...unused, ...missing.keys()]) this.#amiss.set(rid, before.get(rid) ?? now)
    for (const [rid, since] of this.#amiss) {
      if (now - since < patienceMs) continue
      const contents = missing.get(rid)
      await share.write((under) =>
        contents === undefined ? publisher.forget(rid, { under }) : publisher.publish({ rid, contents }, { under }),
      )
      log.info(contents === undefined ? 'forgotten: no dataset has it' : 'published again: datasets have it', { rid })
    }
  }

  /** What is there and no dataset has, and what datasets have and is not there. */
  async #compare(): Promise<{ unused: ReadonlySet<Rid>; missing: ReadonlyMap<Rid, object> }> {
    const { source, publisher, signal } = this.#options
    const unused = new Set<Rid>()
    for await (const rid of ownSchemaRids(publisher.knowledge, source)) unused.add(rid)
    const missing = new Map<Rid, object>()
    const there = new Set(unused)
    for await (const { schema, columns } of ownDatasets(publisher.knowledge, source)) {
      signal.throwIfAborted()
      if (typeof schema !== 'string' || !schema.startsWith(this.#prefix)) continue
      const rid = schema as Rid
      unused.delete(rid)
      if (!there.has(rid) && Array.isArray(columns))
        missing.set(rid, { name: rid.slice(this.#prefix.length), columns, source })
    }
    return { unused, missing }
  }
}
