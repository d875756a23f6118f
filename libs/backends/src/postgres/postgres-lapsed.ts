import { isSentAsItWas, storedBundle, textToSend } from '@koi-mcp/core'
import type { Clock, LapsedTarget, StateReference } from '@koi-mcp/core'
import type { EventType, Rid } from '@koi-mcp/protocol'
import type { PostgresConnections, Queries } from './postgres-connections.ts'
import { theRow } from './the-row.ts'

interface CachedRow {
  rid: Rid
  origin: Rid | null
  manifest: string
  contents: string
}

interface AsItIs {
  readonly rid: Rid
  readonly eventType: EventType | undefined
}

/** Targets whose events were given up or came late, and what they are told then. */
export class PostgresLapsed {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  async lapse(target: Rid, before: number): Promise<number | undefined> {
    const sql = 'SELECT lapse_deliveries($1, $2, $3) AS dropped'
    const row = await this.#db.get<{ dropped: number | null }>(sql, this.#now, target, Math.trunc(before))
    return theRow(row).dropped ?? undefined
  }

  async list(): Promise<LapsedTarget[]> {
    const rows = await this.#db.all<LapsedTarget & { last_error: string | null }>(
      `SELECT target, lapsed_at AS "lapsedAt", resumed, last_error FROM outbox_targets WHERE lapsed_at IS NOT NULL ORDER BY target`,
    )
    return rows.map(({ last_error: lastError, ...row }) => (lastError === null ? row : { ...row, lastError }))
  }

  async resume(target: Rid): Promise<boolean> {
    const sql = 'SELECT resume_deliveries($1, $2) AS resumed'
    return theRow(await this.#db.get<{ resumed: boolean }>(sql, this.#now, target)).resumed
  }

  /** Locks as a step does that changes the cache: nodes and edges, then the target. */
  queueState(target: Rid, references: readonly StateReference[], last: boolean): Promise<void> {
    const asTheyAre = references.filter(({ rid }) => isSentAsItWas(rid))
    const others = references.filter(({ rid }) => !isSentAsItWas(rid))
    return this.#db.transaction(async (queries) => {
      if (asTheyAre.length > 0) await queries.get('SELECT lock_network(false)')
      const sql = 'SELECT hold_resumed($1) AS resumed'
      if (!theRow(await queries.get<{ resumed: boolean }>(sql, target)).resumed) return
      if (asTheyAre.length > 0) await this.#queueTexts(queries, target, asTheyAre)
      if (others.length > 0) {
        const [rids, events] = [others.map(({ rid }) => rid), others.map(({ eventType }) => eventType)]
        await queries.get('SELECT queue_state($1, $2, $3, $4)', this.#now, target, rids, events)
      }
      if (!last) return
      await queries.get('UPDATE outbox_targets SET lapsed_at = NULL, resumed = false WHERE target = $1', target)
    })
  }

  /** Locks as `queueState` does. */
  queueAnew(target: Rid, rids: readonly Rid[]): Promise<void> {
    const asTheyAre = rids.filter(isSentAsItWas)
    const others = rids.filter((rid) => !isSentAsItWas(rid))
    return this.#db.transaction(async (queries) => {
      if (asTheyAre.length > 0) await queries.get('SELECT lock_network(false)')
      const sql = 'SELECT cardinality(open_targets_2($1, ARRAY[$2])) > 0 AS open'
      if (!theRow(await queries.get<{ open: boolean }>(sql, this.#now, target)).open) return
      if (asTheyAre.length > 0) {
        const references = asTheyAre.map((rid) => ({ rid, eventType: undefined }))
        await this.#queueTexts(queries, target, references)
      }
      if (others.length === 0) return
      await queries.get(
        'UPDATE outbox SET fresh = false WHERE target = $1 AND rid = ANY ($2) AND fresh',
        target,
        others,
      )
      const [twice, events] = [others.flatMap((rid) => [rid, rid]), others.flatMap(() => ['FORGET', 'NEW'])]
      await queries.get('SELECT queue_state($1, $2, $3, $4)', this.#now, target, twice, events)
    })
  }

  /** Without an event type: an UPDATE of what is cached, or a FORGET. */
  async #queueTexts(queries: Queries, target: Rid, references: readonly AsItIs[]): Promise<void> {
    const rows = await queries.all<CachedRow>(
      'SELECT rid, origin, manifest, contents FROM cache WHERE rid = ANY ($1)',
      references.map(({ rid }) => rid),
    )
    const cached = new Map(rows.map((row) => [row.rid, row]))
    const sends = references.flatMap(({ rid, eventType: asked }) => {
      const row = cached.get(rid)
      const eventType = asked ?? (row === undefined ? 'FORGET' : 'UPDATE')
      if (row?.origin === target) return []
      const text = textToSend(rid, eventType, row && storedBundle(row.manifest, row.contents))
      return text === undefined ? [] : [{ rid, eventType, text }]
    })
    await queries.get(
      'SELECT queue_texts_2($1, $2, $3, $4, $5)',
      this.#now,
      sends.map(() => target),
      sends.map(({ rid }) => rid),
      sends.map(({ eventType }) => eventType),
      sends.map(({ text }) => text),
    )
  }

  /** Nothing asks the server for the time. */
  get #now(): number | null {
    return this.#clock === undefined ? null : Math.trunc(this.#clock())
  }
}
