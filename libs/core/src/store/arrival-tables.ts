import type { Manifest } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Wake } from './group-commit.ts'
import { laneOfArrival } from './lanes.ts'
import type { LeaseTable } from './lease-table.ts'
import type { Accepted, NamedLease, NewArrival, OnceKey } from './node-store.ts'
import { stampOwn } from './own-stamps.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Due at once whatever the clock says later: one that is set back must not make acknowledged events wait. */
const INSERT = `
  INSERT INTO inbox (lane, head, due_at, accepted_at, rid, event_type, source, manifest, contents)
  VALUES (?1, NOT EXISTS (SELECT 1 FROM inbox WHERE lane = ?1), 0, ?2, ?3, ?4, ?5, ?6, ?7)`

/** The way in: places, stamps of our own knowledge, and keys that let an acceptance happen once. */
export class ArrivalTables {
  readonly #db: SqliteDatabase
  readonly #clock: Clock
  readonly #steady: Clock
  readonly #leases: LeaseTable

  constructor(db: SqliteDatabase, clock: Clock, steady: Clock, leases: LeaseTable) {
    this.#db = db
    this.#clock = clock
    this.#steady = steady
    this.#leases = leases
  }

  accept(
    arrivals: readonly NewArrival[],
    once: OnceKey | undefined,
    under: NamedLease | undefined,
    wake: Wake,
  ): Accepted {
    if (under !== undefined) this.#leases.check(under)
    const places = once === undefined ? undefined : this.#seen(once)
    if (places !== undefined) return { places, repeated: true }
    const accepted = { places: this.append(arrivals, wake), repeated: false }
    if (once !== undefined) {
      this.#db.run('INSERT INTO once_keys VALUES (?, ?, ?)', once.key, once.until, JSON.stringify(accepted.places))
    }
    return accepted
  }

  append(arrivals: readonly NewArrival[], wake: Wake): number[] {
    const now = this.#clock()
    return arrivals.map((arrival) => {
      const manifest = arrival.source === undefined ? this.#ownManifest(arrival, now) : arrival.manifest
      return this.appendAsIs({ ...arrival, manifest }, wake)
    })
  }

  /** With the manifest that it has, or none. */
  appendAsIs(arrival: NewArrival, wake: Wake): number {
    wake.inbox = true
    return this.#db.run(
      INSERT,
      laneOfArrival(arrival),
      this.#clock(),
      arrival.rid,
      arrival.eventType ?? null,
      arrival.source ?? null,
      arrival.manifest?.text ?? null,
      arrival.contents?.text ?? null,
    ).id
  }

  /** Keys past their time go with the next acceptance that carries one. */
  #seen(once: OnceKey): number[] | undefined {
    this.#db.run('DELETE FROM once_keys WHERE until <= ?', this.#steady())
    const row = this.#db.get<{ places: string }>('SELECT places FROM once_keys WHERE key = ?', once.key)
    return row === undefined ? undefined : (JSON.parse(row.places) as number[])
  }

  #ownManifest(arrival: NewArrival, now: number): Manifest | undefined {
    const { rid } = arrival
    const stamp = this.#db.get<{ micros: number }>('SELECT micros FROM stamps WHERE rid = ?', rid)
    const cached = this.#db.get<{ manifest: string }>('SELECT manifest FROM cache WHERE rid = ?', rid)
    const { manifest, micros } = stampOwn(arrival, { now, last: stamp?.micros, cached: cached?.manifest })
    if (micros !== undefined) {
      const sql = 'INSERT INTO stamps VALUES (?, ?) ON CONFLICT (rid) DO UPDATE SET micros = excluded.micros'
      this.#db.run(sql, rid, micros)
    }
    return manifest
  }
}
