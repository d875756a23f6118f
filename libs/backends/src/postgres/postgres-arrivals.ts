import { laneOfArrival, stampOwn } from '@koi-mcp/core'
import type * as port from '@koi-mcp/core'
import type { EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { PostgresConnections, Queries } from './postgres-connections.ts'
import { theRow } from './the-row.ts'

/** Takes arrivals in: in one call, or in a transaction where our own knowledge is stamped, or a lease must be held. */
export async function acceptArrivals(
  db: PostgresConnections,
  now: number | null,
  arrivals: readonly port.NewArrival[],
  once: port.OnceKey | undefined,
  under: port.NamedLease | undefined,
): Promise<port.Accepted> {
  if (under === undefined && !arrivals.some(isStamped)) return accept(db, now, once, columnsOf(arrivals))
  return db.transaction(async (queries) => {
    await lockLanes(queries, [...arrivals.map(laneOfArrival), ...(once === undefined ? [] : [once.key])])
    if (under !== undefined)
      await queries.get('SELECT hold_lease($1, $2, $3, $4)', now, under.name, under.owner, under.token)
    const { columns, stamps } = await stamped(queries, now, arrivals)
    const accepted = await accept(queries, now, once, columns)
    if (!accepted.repeated) await remember(queries, stamps)
    return accepted
  })
}

/** Takes in what a step emits, in the step's transaction; all lanes are locked. */
export async function appendArrivals(
  queries: Queries,
  now: number | null,
  arrivals: readonly port.NewArrival[],
): Promise<void> {
  const { columns, stamps } = await stamped(queries, now, arrivals)
  await queries.get('SELECT append_arrivals($1, $2, $3, $4, $5, $6, $7)', now, ...columns)
  await remember(queries, stamps)
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

export async function lockLanes(queries: Queries, lanes: readonly string[]): Promise<void> {
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
