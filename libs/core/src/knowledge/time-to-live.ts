import { microsOf, parseTimestamp } from '@koi-mcp/protocol'
import type { Manifest } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import { laneOf } from '../store/lanes.ts'
import { NETWORK_LANE } from '../store/node-store.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/**
 * How old knowledge may grow (`persistence.ttl`), by the timestamp of its manifest: so it is the same at every replica, in every store and after every
 * restart, and what a node let go is not news when a peer offers it again. Nodes and edges never grow too old.
 */
export class TimeToLive {
  readonly #ttlMs: number
  readonly #clock: Clock
  readonly #steady: Clock
  /** How far the clock is from one that nobody sets, and since when. */
  #offset: number
  #since: number

  constructor(ttlMs: number, clock: Clock, steady: Clock) {
    this.#ttlMs = ttlMs
    this.#clock = clock
    this.#steady = steady
    this.#since = steady()
    this.#offset = clock() - this.#since
  }

  /** What is dated before this has expired; microseconds since the epoch. */
  limit(): bigint {
    return microsOf(new Date(this.#clock() - this.#ttlMs))
  }

  hasExpired({ rid, timestamp }: Manifest, limit = this.limit()): boolean {
    return laneOf(rid) !== NETWORK_LANE && parseTimestamp(timestamp) < limit
  }

  /**
   * For how long nothing is to be let go on this clock's word, in milliseconds: what is forgotten is forgotten everywhere, so a process that just started,
   * or whose clock was just set, gives its operator a tenth of the time to live, at most an hour, to set it right.
   */
  doubtMs(): number {
    const now = this.#steady()
    const offset = this.#clock() - now
    if (Math.abs(offset - this.#offset) > Math.min(MINUTE_MS, this.#ttlMs / 10)) {
      this.#offset = offset
      this.#since = now
    }
    return Math.max(0, this.#since + Math.min(HOUR_MS, this.#ttlMs / 10) - now)
  }

  /** How often to look: what expires stays for so long at most. */
  get everyMs(): number {
    return Math.min(HOUR_MS, this.#ttlMs / 20)
  }
}
