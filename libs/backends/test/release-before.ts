import { silentLogger } from '@koi-mcp/core'
import type { NewArrival } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { PostgresConnections } from '../src/postgres/postgres-connections.ts'
import { migrate, MIGRATIONS } from '../src/postgres/postgres-format.ts'
import { LEASE_MS, PEER } from './release.ts'
import type { Release, ReleaseOptions } from './release.ts'

interface Taken {
  readonly token: number
  readonly place: number
  readonly lane: string
  readonly rid: Rid
  readonly manifest: string
  readonly contents: string
}

/** The release of format 1, as far as its statements go: those of its functions, and those that it had beside them. */
export class ReleaseBefore implements Release {
  readonly #db: PostgresConnections
  readonly #name: string

  constructor(db: PostgresConnections, name: string) {
    this.#db = db
    this.#name = name
  }

  static async open({ url, schema, name }: ReleaseOptions): Promise<ReleaseBefore> {
    const db = new PostgresConnections({ url, schema, log: silentLogger, connections: 2, durability: 'full' })
    await migrate(db, schema, MIGRATIONS.slice(0, 1))
    await db.get('SELECT bring_forward($1)', null)
    return new ReleaseBefore(db, name)
  }

  async accept({ rid, eventType, source, manifest, contents }: NewArrival): Promise<void> {
    await this.#db.get(
      'SELECT places, repeated FROM accept_arrivals($1, $2, $3, $4, $5, $6, $7, $8, $9)',
      ...[null, null, null],
      ...[[rid], [rid], [eventType], [source], [manifest?.text], [contents?.text]],
    )
  }

  async work(way: 'at once' | 'in steps'): Promise<void> {
    const db = this.#db
    const taken = await db.get<Taken>(
      `SELECT token, (arrival).place, (arrival).lane, (arrival).rid, (arrival).manifest, (arrival).contents
       FROM take_lanes($1, $2, $3, $4)`,
      ...[null, this.#name, LEASE_MS, 1],
    )
    if (taken === undefined) return
    const next = await db.get<{ phase: string }>(
      `SELECT lanes.place, phase, rid, manifest, contents, due_at <= now_ms($1) AS due
       FROM lanes LEFT JOIN inbox ON inbox.place = lanes.place
       WHERE lanes.lane = $2 AND owner = $3 AND token = $4 AND expires_at > now_ms($1)`,
      ...[null, taken.lane, this.#name, taken.token],
    )
    const lease = [null, taken.lane, this.#name, taken.token]
    const words = `'words'`
    const change = ['NEW', 'orn:data-catalog.dataset', PEER, taken.manifest, taken.contents, words]
    if (next?.phase === 'received' && way === 'at once') {
      const last = await db.get<{ last: number }>('SELECT last_change() AS last')
      await db.get(
        `SELECT settled, changed, more FROM settle($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector, $12, $13, $14, $15)`,
        ...[...lease, taken.place, ...change, [PEER], false, null, last?.last],
      )
    } else {
      if (next?.phase === 'received') {
        await db.get(
          `SELECT seq, changed, previous_manifest, previous_contents
           FROM apply_change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11::tsvector)`,
          ...[...lease, taken.place, ...change],
        )
      }
      const announcement = [[PEER], false, null]
      await db.get('SELECT announce($1, $2, $3, $4, $5, $6, $7, $8)', ...lease, taken.place, ...announcement)
      await db.get('SELECT finish_arrival($1, $2, $3, $4, $5) AS more', ...lease, taken.place)
    }
    await db.get('SELECT release_lane($1, $2, $3) AS more', ...lease.slice(1))
  }

  async deliver(): Promise<readonly string[]> {
    const batch = await this.#db.transaction(async (queries) => {
      await queries.get('SELECT close_target($1)', PEER)
      const state = await queries.get<{ held: boolean }>(
        'SELECT expires_at > now_ms($1) AS held, failures FROM outbox_targets WHERE target = $2 FOR UPDATE',
        ...[null, PEER],
      )
      if (state === undefined || state.held) return undefined
      const rows = await queries.all<{ id: number; text: string | null; contents: string }>(
        `SELECT id, outbox.rid, event_type, text, manifest, contents
         FROM outbox LEFT JOIN cache ON text IS NULL AND event_type <> 'FORGET' AND cache.rid = outbox.rid
         WHERE target = $1 AND id > $2 ORDER BY id LIMIT $3`,
        ...[PEER, 0, 100],
      )
      if (rows.length === 0) return undefined
      const ids = rows.map(({ id }) => id)
      await queries.get('UPDATE outbox SET fresh = false WHERE id = ANY ($1) AND fresh', ids)
      const lease = await queries.get<{ token: number }>(
        `UPDATE outbox_targets SET owner = $3, token = nextval('tokens'), expires_at = now_ms($1) + $4, up_to = $5
         WHERE target = $2 RETURNING token`,
        ...[null, PEER, this.#name, LEASE_MS, ids.at(-1)],
      )
      return { ids, token: lease?.token, texts: rows.map((row) => row.text ?? row.contents) }
    })
    if (batch === undefined) return []
    const { ids, token, texts } = batch
    await this.#db.get('SELECT deliveries_done($1, $2, $3, $4, $5) AS more', null, PEER, this.#name, token, ids)
    return texts
  }

  async close(): Promise<void> {
    await this.#db.close()
  }
}
