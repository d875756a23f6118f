import {
  deadLetter,
  laneOfArrival,
  LeaseLostError,
  NETWORK_LANE,
  pendingArrival,
  stampOwn,
  storedBundle,
  textToSend,
} from '@koi-mcp/core'
import type * as port from '@koi-mcp/core'
import type { ArrivalRow, Clock, DeadLetterRow } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { PostgresConnections, Queries } from './postgres-connections.ts'
import { searchVector } from './search-vector.ts'

/** Undoes what the step had emitted. */
const NOT_SETTLED = new Error('a node or an edge changed meanwhile')

/** The way in, the lanes and the steps of an arrival. Each step is one call, but for one that emits, or stamps our own knowledge. */
export class PostgresInbox {
  readonly #db: PostgresConnections
  readonly #clock: Clock | undefined

  constructor(db: PostgresConnections, clock: Clock | undefined) {
    this.#db = db
    this.#clock = clock
  }

  async accept(arrivals: readonly port.NewArrival[], once: port.OnceKey | undefined): Promise<port.Accepted> {
    if (arrivals.some(isStamped)) return this.#db.transaction((queries) => this.#acceptOwn(queries, arrivals, once))
    return accept(this.#db, this.#now, once, columnsOf(arrivals))
  }

  async takeLanes(owner: string, leaseMs: number, limit: number): Promise<port.TakenLane[]> {
    const rows = await this.#db.all<ArrivalRow & { token: number }>(
      `SELECT token, (arrival).place, (arrival).lane, (arrival).phase, (arrival).attempts, (arrival).accepted_at, (arrival).rid,
         (arrival).event_type, (arrival).source, (arrival).normalized_event_type, (arrival).manifest, (arrival).contents,
         (arrival).previous_manifest, (arrival).previous_contents
       FROM take_lanes($1, $2, $3, $4)`,
      this.#now,
      owner,
      leaseMs,
      limit,
    )
    return rows.map((row) => ({ lease: { lane: row.lane, owner, token: row.token }, first: pendingArrival(row) }))
  }

  async nextArrival(lease: port.LaneLease): Promise<port.PendingArrival | undefined> {
    const row = await this.#db.get<ArrivalRow & { due: boolean }>(
      `SELECT lanes.place, lanes.lane, phase, attempts, accepted_at, rid, event_type, source, normalized_event_type,
         manifest, contents, previous_manifest, previous_contents, due_at <= now_ms($1) AS due
       FROM lanes LEFT JOIN inbox ON inbox.place = lanes.place
       WHERE lanes.lane = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1)`,
      this.#now,
      lease.lane,
      lease.owner,
      lease.token,
    )
    if (row === undefined)
      throw new LeaseLostError(`The lane ${lease.lane} is no longer held by ${lease.owner} (token ${lease.token})`)
    return (row.place as number | null) === null || !row.due ? undefined : pendingArrival(row)
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
      FROM settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector, $12, $13, $14, $15)`
    const inline = await this.#inlineEvent(lease, place, targets, change)
    const values = [...this.#leaseOf(lease), place, ...changeColumns(change), targets, ...inline, asOf]
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
        'SELECT announce($1, $2, $3, $4, $5, $6, $7, $8)',
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
    const sql = 'SELECT retry_later($1, $2, $3, $4, $5, $6, $7, $8)'
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
    const sql = 'SELECT dead_letter($1, $2, $3, $4, $5, $6, $7, $8, $9) AS more'
    const row = await this.#step(lease, emissions, (queries) =>
      queries.get<{ more: boolean }>(sql, ...this.#leaseOf(lease), place, storable(error), targets, ...inline),
    )
    return theRow(row).more
  }

  /** Answers whether it was held, and has work for others. */
  async releaseLane({ lane, owner, token }: port.LaneLease): Promise<boolean> {
    const sql = 'SELECT release_lane($1, $2, $3) AS more'
    return theRow(await this.#db.get<{ more: boolean }>(sql, lane, owner, token)).more
  }

  async renewLane(lease: port.LaneLease, leaseMs: number): Promise<void> {
    const row = await this.#db.get(
      `UPDATE lanes SET expires_at = now_ms($1) + $5
       WHERE lane = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1) RETURNING lane`,
      ...this.#leaseOf(lease),
      leaseMs,
    )
    if (row === undefined)
      throw new LeaseLostError(`The lane ${lease.lane} is no longer held by ${lease.owner} (token ${lease.token})`)
  }

  async state(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }> {
    const row = await this.#db.get<{ pending: number; deadLetters: number; nextDueAt: number | null }>(
      `SELECT (SELECT count(*) FROM inbox) AS pending, (SELECT count(*) FROM dead_letters) AS "deadLetters",
         (SELECT min(due_at) FROM lanes WHERE place IS NOT NULL) AS "nextDueAt"`,
    )
    const { nextDueAt, ...counts } = theRow(row)
    return { ...counts, nextDueAt: nextDueAt ?? undefined }
  }

  async isBusy(lane: string): Promise<boolean> {
    return (await this.#db.get('SELECT 1 FROM inbox WHERE lane = $1 LIMIT 1', lane)) !== undefined
  }

  async deadLetters(after: number, limit: number): Promise<port.DeadLetter[]> {
    const rows = await this.#db.all<DeadLetterRow>(
      `SELECT place, rid, event_type, source, manifest, contents, error, attempts, failed_at
       FROM dead_letters WHERE place > $1 ORDER BY place LIMIT $2`,
      after,
      limit,
    )
    return rows.map(deadLetter)
  }

  /** Runs the step; what it emits is accepted and queued in the same transaction, all its lanes locked first. */
  async #step<T>(
    lease: port.LaneLease,
    { arrivals, sends }: port.Emissions,
    step: (queries: Pick<Queries, 'get'>) => Promise<T>,
  ): Promise<T> {
    if (arrivals.length === 0 && sends.length === 0) return step(this.#db)
    return this.#db.transaction(async (queries) => {
      await lock(queries, [lease.lane, ...arrivals.map(laneOfArrival)])
      if (arrivals.length > 0) {
        const { columns, stamps } = await stamped(queries, this.#now, arrivals)
        await queries.get('SELECT append_arrivals($1, $2, $3, $4, $5, $6, $7)', this.#now, ...columns)
        await remember(queries, stamps)
      }
      const value = await step(queries)
      if (sends.length > 0) {
        const columns = [
          sends.map(({ target }) => target),
          sends.map(({ rid }) => rid),
          sends.map(({ eventText }) => eventText),
        ]
        await queries.get('SELECT queue_texts($1, $2, $3, $4)', this.#now, ...columns)
      }
      return value
    })
  }

  async #acceptOwn(
    queries: Queries,
    arrivals: readonly port.NewArrival[],
    once: port.OnceKey | undefined,
  ): Promise<port.Accepted> {
    await lock(queries, [...arrivals.map(laneOfArrival), ...(once === undefined ? [] : [once.key])])
    const { columns, stamps } = await stamped(queries, this.#now, arrivals)
    const accepted = await accept(queries, this.#now, once, columns)
    if (!accepted.repeated) await remember(queries, stamps)
    return accepted
  }

  /**
   * Node and edge events go out as they were, so their text is made here, of the change or of what is cached. Whoever holds the lane is the only one who
   * could change what is read: where it no longer holds the lane, the step that comes next fails.
   */
  async #inlineEvent(
    { lane }: port.LaneLease,
    place: number,
    targets: readonly Rid[],
    change?: port.CacheChange,
  ): Promise<[boolean, string | null]> {
    if (targets.length === 0 || !(lane === NETWORK_LANE || lane.startsWith('orn:koi-net.'))) return [false, null]
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

async function accept(
  queries: Pick<Queries, 'get'>,
  now: number | null,
  once: port.OnceKey | undefined,
  columns: Columns,
): Promise<port.Accepted> {
  const sql = 'SELECT places, repeated FROM accept_arrivals($1, $2, $3, $4, $5, $6, $7, $8, $9)'
  const until = once === undefined ? null : Math.trunc(once.until)
  return theRow(await queries.get<port.Accepted>(sql, now, once?.key ?? null, until, ...columns))
}

async function lock(queries: Queries, lanes: readonly string[]): Promise<void> {
  await queries.get('SELECT lock_lanes($1)', lanes)
}

/** Stamps what is our own; the lanes' locks are held, so nobody stamps the same RIDs. */
async function stamped(queries: Queries, now: number | null, arrivals: readonly port.NewArrival[]) {
  const rids = [...new Set(arrivals.filter(isStamped).map(({ rid }) => rid))]
  const stamps = new Map<Rid, number>()
  if (rids.length === 0) return { columns: columnsOf(arrivals), stamps }
  const rows = await queries.all<{ rid: Rid; micros: number | null; manifest: string | null; now: number }>(
    `SELECT wanted AS rid, micros, manifest, now_ms($1) AS now
     FROM unnest($2::text[]) AS wanted LEFT JOIN stamps ON stamps.rid = wanted LEFT JOIN cache ON cache.rid = wanted`,
    now,
    rids,
  )
  const known = new Map(rows.map((row) => [row.rid, row]))
  const withManifests = arrivals.map((arrival) => {
    const row = known.get(arrival.rid)
    if (row === undefined || !isStamped(arrival)) return arrival
    const last = stamps.get(arrival.rid) ?? row.micros ?? undefined
    const { manifest, micros } = stampOwn(arrival, { now: row.now, last, cached: row.manifest ?? undefined })
    if (micros !== undefined) stamps.set(arrival.rid, micros)
    return { ...arrival, manifest }
  })
  return { columns: columnsOf(withManifests), stamps }
}

async function remember(queries: Queries, stamps: ReadonlyMap<Rid, number>): Promise<void> {
  if (stamps.size === 0) return
  await queries.get(
    `INSERT INTO stamps SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT (rid) DO UPDATE SET micros = excluded.micros`,
    [...stamps.keys()],
    [...stamps.values()],
  )
}

/** Whether it is our own knowledge, which gets a stamp or gives one. */
function isStamped({ source, eventType, manifest, contents }: port.NewArrival): boolean {
  return source === undefined && eventType !== 'FORGET' && (manifest !== undefined || contents !== undefined)
}

type Columns = [Rid[], string[], (EventType | null)[], (Rid | null)[], (string | null)[], (string | null)[]]

function columnsOf(arrivals: readonly (port.NewArrival & { manifest?: Manifest | undefined })[]): Columns {
  return [
    arrivals.map(({ rid }) => rid),
    arrivals.map(laneOfArrival),
    arrivals.map(({ eventType }) => eventType ?? null),
    arrivals.map(({ source }) => source ?? null),
    arrivals.map(({ manifest }) => manifest?.text ?? null),
    arrivals.map(({ contents }) => contents?.text ?? null),
  ]
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

/** A call of a function always has a row. */
function theRow<T>(row: T | undefined): T {
  if (row === undefined) throw new Error('Postgres answered a call without a row')
  return row
}
