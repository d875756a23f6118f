import { laneOfArrival, NETWORK_LANE, storedBundle, textToSend } from '@koi-mcp/core'
import type * as port from '@koi-mcp/core'
import type { Clock } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { EventType, Rid } from '@koi-mcp/protocol'
import { acceptArrivals, appendArrivals, lockLanes } from './postgres-arrivals.ts'
import type { PostgresConnections, Queries } from './postgres-connections.ts'
import { PostgresSettlements } from './postgres-settlements.ts'
import { searchVector } from './search-vector.ts'
import { theRow } from './the-row.ts'

/** Undoes what the step had emitted. */
const NOT_SETTLED = new Error('a node or an edge changed meanwhile')

/** The way in, and the steps of an arrival. Each step is one call, but for one that emits, or stamps our own knowledge. */
export class PostgresInbox {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined
  readonly #settlements: PostgresSettlements

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
    this.#settlements = new PostgresSettlements(db, () => this.#now)
  }

  accept(
    arrivals: readonly port.NewArrival[],
    once: port.OnceKey | undefined,
    under: port.NamedLease | undefined,
  ): Promise<port.Accepted> {
    return acceptArrivals(this.#db, this.#now, arrivals, once, under)
  }

  async apply(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    emissions: port.Emissions,
  ): Promise<port.AppliedChange & { changed: boolean }> {
    const sql = `SELECT seq, changed, previous_manifest, previous_contents
      FROM apply_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector)`
    const row = await this.#step(lease, emissions, (queries) =>
      queries.get<{
        seq: number
        changed: boolean
        previous_manifest: string | null
        previous_contents: string | null
      }>(sql, ...this.#leaseOf(lease), place, ...changeColumns(change)),
    )
    const { seq, changed, previous_manifest: manifest, previous_contents: contents } = theRow(row)
    return {
      seq,
      changed,
      ...(manifest === null || contents === null ? {} : { previous: storedBundle(manifest, contents) }),
    }
  }

  async settle(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    { targets, asOf }: { targets: readonly Rid[]; asOf: number },
    emissions: port.Emissions,
  ): Promise<(port.Settled & { changed: boolean }) | undefined> {
    const sql = `SELECT settled, changed, more
      FROM settle_2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector, $12, $13, $14, $15)`
    const columns = changeColumns(change)
    if (!isOfNetwork(lease) && emissions.arrivals.length + emissions.sends.length === 0) {
      const { outcome, ...answer } = await this.#settlements.settle({ lease, place, change: columns, targets, asOf })
      if (outcome !== 'refused') return outcome === 'done' ? answer : undefined
      // Alone, it is told why.
    }
    const inline = await this.#inlineEvent(lease, place, targets, change)
    const values = [...this.#leaseOf(lease), place, ...columns, targets, ...inline, asOf]
    try {
      return await this.#step(lease, emissions, async (queries) => {
        const row = await queries.get<{ settled: boolean; changed: boolean; more: boolean }>(sql, ...values)
        const { settled, ...answer } = theRow(row)
        if (!settled) throw NOT_SETTLED
        return answer
      })
    } catch (error) {
      if (error === NOT_SETTLED) return undefined
      throw error
    }
  }

  async announce(
    lease: port.LaneLease,
    place: number,
    targets: readonly Rid[],
    emissions: port.Emissions,
  ): Promise<void> {
    const inline = await this.#inlineEvent(lease, place, targets)
    await this.#step(lease, emissions, (queries) =>
      queries.get(
        'SELECT announce_2($1, $2, $3, $4, $5, $6, $7, $8)',
        ...this.#leaseOf(lease),
        place,
        targets,
        ...inline,
      ),
    )
  }

  /** Answers whether the lane goes on. */
  async finish(lease: port.LaneLease, place: number, emissions: port.Emissions): Promise<boolean> {
    const sql = 'SELECT finish_arrival($1, $2, $3, $4, $5) AS more'
    const row = await this.#step(lease, emissions, (queries) =>
      queries.get<{ more: boolean }>(sql, ...this.#leaseOf(lease), place),
    )
    return theRow(row).more
  }

  async retryLater(
    lease: port.LaneLease,
    place: number,
    { error, dueAt, countAttempt }: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void> {
    const sql = 'SELECT retry_later_2($1, $2, $3, $4, $5, $6, $7, $8)'
    await this.#db.get(sql, ...this.#leaseOf(lease), place, storable(error), Math.trunc(dueAt), countAttempt ? 1 : 0)
  }

  /** Answers whether the lane goes on. */
  async deadLetter(
    lease: port.LaneLease,
    place: number,
    error: string,
    emissions: port.Emissions,
    targets: readonly Rid[],
  ): Promise<boolean> {
    const inline = await this.#inlineEvent(lease, place, targets)
    const sql = 'SELECT dead_letter_2($1, $2, $3, $4, $5, $6, $7, $8, $9) AS more'
    const row = await this.#step(lease, emissions, (queries) =>
      queries.get<{ more: boolean }>(sql, ...this.#leaseOf(lease), place, storable(error), targets, ...inline),
    )
    return theRow(row).more
  }

  async state(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }> {
    const row = await this.#db.get<{ pending: number; deadLetters: number; nextDueAt: number | null }>(
      `SELECT (SELECT count(*) FROM inbox) AS pending, (SELECT count(*) FROM dead_letters) AS "deadLetters",
         (SELECT min(due_at) FROM lanes WHERE place IS NOT NULL) AS "nextDueAt"`,
    )
    const { nextDueAt, ...counts } = theRow(row)
    return { ...counts, nextDueAt: nextDueAt ?? undefined }
  }

  /** Runs the step; what it emits is accepted and queued in the same transaction, all its lanes locked first. */
  async #step<T>(
    lease: port.LaneLease,
    { arrivals, sends }: port.Emissions,
    step: (queries: Pick<Queries, 'get'>) => Promise<T>,
  ): Promise<T> {
    if (arrivals.length === 0 && sends.length === 0) return step(this.#db)
    return this.#db.transaction(async (queries) => {
      await lockLanes(queries, [lease.lane, ...arrivals.map(laneOfArrival)])
      if (arrivals.length > 0) await appendArrivals(queries, this.#now, arrivals)
      const value = await step(queries)
      if (sends.length > 0) {
        const columns = [
          sends.map(({ target }) => target),
          sends.map(({ rid }) => rid),
          sends.map(({ eventType }) => eventType),
          sends.map(({ eventText }) => eventText),
        ]
        await queries.get('SELECT queue_texts_2($1, $2, $3, $4, $5)', this.#now, ...columns)
      }
      return value
    })
  }

  /**
   * Node and edge events go out as they were, so their text is made here, of the change or of what is cached. Whoever holds the lane is the only one who
   * could change what is read: where it no longer holds the lane, the step that comes next fails.
   */
  async #inlineEvent(
    lease: port.LaneLease,
    place: number,
    targets: readonly Rid[],
    change?: port.CacheChange,
  ): Promise<[boolean, string | null]> {
    if (targets.length === 0 || !isOfNetwork(lease)) return [false, null]
    const row = await this.#db.get<{
      rid: Rid
      event_type: EventType | null
      manifest: string | null
      contents: string | null
    }>(
      `SELECT inbox.rid, normalized_event_type AS event_type, cache.manifest, cache.contents
       FROM inbox LEFT JOIN cache ON cache.rid = inbox.rid WHERE place = $1`,
      place,
    )
    if (row === undefined) return [true, null]
    if (change?.kind === 'write') return [true, textToSend(row.rid, change.normalizedEventType, change.bundle) ?? null]
    const eventType = change?.kind === 'forget' ? 'FORGET' : row.event_type
    if (eventType === null) return [true, null]
    const bundle = row.manifest === null || row.contents === null ? undefined : storedBundle(row.manifest, row.contents)
    return [true, textToSend(row.rid, eventType, bundle) ?? null]
  }

  #leaseOf({ lane, owner, token }: port.LaneLease): unknown[] {
    return [this.#now, lane, owner, token]
  }

  /** Nothing asks the server for the time. */
  get #now(): number | null {
    return this.#clock === undefined ? null : Math.trunc(this.#clock())
  }
}

/** Of nodes and edges, those that were told of without their contents too; any other lane is its RID. */
function isOfNetwork({ lane }: port.LaneLease): boolean {
  return lane === NETWORK_LANE || lane.startsWith('orn:koi-net.')
}

/** An error's text may hold anything; Postgres has no room for this one character. */
function storable(text: string): string {
  return text.replaceAll('\u0000', '\ufffd')
}

/** As `apply_change` and `settle` take it. */
function changeColumns(change: port.CacheChange): (string | null)[] {
  if (change.kind === 'forget') return ['FORGET', null, null, null, null, null]
  const { normalizedEventType, origin = null, bundle } = change
  const { manifest, contents } = bundle
  const words = searchVector(manifest.rid, contents.text)
  return [normalizedEventType, ridTypeOf(manifest.rid), origin, manifest.text, contents.text, words]
}
