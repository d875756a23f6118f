import { StoreError } from '@koi-mcp/core'
import type * as port from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import type { PostgresConnections } from './postgres-connections.ts'

/** A settlement as its columns; it emits nothing, and is of no node and no edge. */
export interface Settlement {
  readonly lease: port.LaneLease
  readonly place: number
  /** As `settle` takes them: event, type, origin, manifest, contents, words. */
  readonly change: readonly (string | null)[]
  readonly targets: readonly Rid[]
  readonly asOf: number
}

export type SettlementOutcome = { readonly outcome: 'done' | 'stale' | 'refused'; changed: boolean; more: boolean }

interface Asked extends Settlement {
  readonly resolve: (outcome: SettlementOutcome) => void
  readonly reject: (error: unknown) => void
}

/** Statements grow with what stands in them: so many settlements, or so many characters of contents, go together. */
const MAX_TOGETHER = 64
const MAX_CHARACTERS = 4 * 1024 * 1024
/** While so many steps are under way, what is asked for waits for company. */
const STEPS_AT_ONCE = 2

/** Settles what is asked for at the same time in one step: one way to the server, one transaction, one sync of its disk. */
export class PostgresSettlements {
  readonly #db: PostgresConnections
  readonly #now: () => number | null
  #waiting: Asked[] = []
  #underWay = 0
  #scheduled = false

  constructor(db: PostgresConnections, now: () => number | null) {
    this.#db = db
    this.#now = now
  }

  settle(settlement: Settlement): Promise<SettlementOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...settlement, resolve, reject })
      this.#schedule()
    })
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay >= STEPS_AT_ONCE || this.#waiting.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      const together = this.#take()
      this.#underWay += 1
      void this.#step(together).finally(() => {
        this.#underWay -= 1
        this.#schedule()
      })
      this.#schedule()
    })
  }

  /** Those of different lanes: a lane's next arrival is settled when the one before it is. */
  #take(): Asked[] {
    const lanes = new Set<string>()
    const together: Asked[] = []
    let characters = 0
    this.#waiting = this.#waiting.filter((asked) => {
      const length = asked.change.reduce((sum, text) => sum + (text?.length ?? 0), 0)
      const fits = together.length < MAX_TOGETHER && (together.length === 0 || characters + length <= MAX_CHARACTERS)
      if (!fits || lanes.has(asked.lease.lane)) return true
      lanes.add(asked.lease.lane)
      together.push(asked)
      characters += length
      return false
    })
    return together
  }

  async #step(together: readonly Asked[]): Promise<void> {
    const column = (index: number) => together.map(({ change }) => change[index] ?? null)
    const targets = together.flatMap(({ targets: told }, index) => told.map((target) => ({ item: index + 1, target })))
    try {
      const rows = await this.#db.all<SettlementOutcome & { item: number }>(
        'SELECT * FROM settle_lanes($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)',
        this.#now(),
        together.map(({ lease }) => lease.lane),
        together.map(({ lease }) => lease.owner),
        together.map(({ lease }) => lease.token),
        together.map(({ place }) => place),
        together.map(({ asOf }) => asOf),
        ...[0, 1, 2, 3, 4, 5].map(column),
        targets.map(({ item }) => item),
        targets.map(({ target }) => target),
      )
      for (const { item, ...outcome } of rows) together[item - 1]?.resolve(outcome)
    } catch (error) {
      // A store that is away is away for all; what one of them made fail must not hold up the others, so each goes on alone.
      for (const { resolve, reject } of together) {
        if (error instanceof StoreError) reject(error)
        else resolve({ outcome: 'refused', changed: false, more: false })
      }
    }
  }
}
