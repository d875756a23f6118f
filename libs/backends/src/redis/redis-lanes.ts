import { pendingArrival } from '@koi-mcp/core'
import type { LaneLease, PendingArrival, TakenLane } from '@koi-mcp/core'
import type { RedisConnection } from './redis-connection.ts'
import { LANE_FUNCTIONS } from './redis-lane-functions.ts'
import { arrivalRow } from './redis-rows.ts'
import type { Flat } from './redis-rows.ts'
import { stepScript } from './redis-script.ts'

/** Lanes whose lease is over, or whose moment has come, are gathered first; what is left of them is gathered by whoever takes next. */
const TAKE = stepScript(
  [LANE_FUNCTIONS],
  String.raw`
  local owner, lease_ms, limit = arg(), tonumber(arg()), tonumber(arg())
  for _, lane in ipairs(call('ZRANGEBYSCORE', key('lanes:held'), '-inf', now, 'LIMIT', 0, 1000)) do free_lane(lane) end
  for _, lane in ipairs(call('ZRANGEBYSCORE', key('lanes:due'), '(0', now, 'LIMIT', 0, 1000)) do make_ready(lane) end
  local taken = {}
  for index, lane in ipairs(call('ZRANGE', key('lanes:ready'), 0, limit - 1)) do
    local token = call('HINCRBY', node, 'token', 1)
    local place = call('LINDEX', key('lane:' .. lane), 0)
    taken[index] = {lane, token, place, arrival_at(lane, place)}
    call('ZREM', key('lanes:ready'), lane)
    call('ZADD', key('lanes:held'), now + lease_ms, lane)
    call('HSET', key('lanes:leases'), lane, token .. ' ' .. owner)
  end
  return taken`,
)

const NEXT = stepScript(
  [LANE_FUNCTIONS],
  String.raw`
  local lane, owner, token = arg(), arg(), arg()
  hold_lane(lane, owner, token)
  local place = call('LINDEX', key('lane:' .. lane), 0)
  if not place or tonumber(call('ZSCORE', key('lanes:due'), lane)) > now then return false end
  return {place, arrival_at(lane, place)}`,
)

const RELEASE = stepScript(
  [LANE_FUNCTIONS],
  String.raw`
  local lane, owner, token = arg(), arg(), arg()
  return is_held_by(lane, owner, token) and free_lane(lane)`,
)

const RENEW = stepScript(
  [LANE_FUNCTIONS],
  String.raw`
  local lane, owner, token, lease_ms = arg(), arg(), arg(), tonumber(arg())
  hold_lane(lane, owner, token)
  call('ZADD', key('lanes:held'), now + lease_ms, lane)`,
)

/** At most this many lanes at once. */
const MOST = 1_000

/** Who holds which lane. */
export class RedisLanes {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  async take(owner: string, leaseMs: number, limit: number): Promise<TakenLane[]> {
    if (limit <= 0) return []
    type Taken = [lane: string, token: number, place: string, row: Flat]
    return this.#db.step(TAKE, [owner, leaseMs, Math.min(limit, MOST)], (taken: Taken[]) =>
      taken.map(([lane, token, place, row]) => ({
        lease: { lane, owner, token },
        first: pendingArrival(arrivalRow(place, row)),
      })),
    )
  }

  next({ lane, owner, token }: LaneLease): Promise<PendingArrival | undefined> {
    return this.#db.step(NEXT, [lane, owner, token], (next: [place: string, row: Flat] | null) =>
      next === null ? undefined : pendingArrival(arrivalRow(...next)),
    )
  }

  /** Answers whether it was held, and has work for others. */
  release({ lane, owner, token }: LaneLease): Promise<boolean> {
    return this.#db.step(RELEASE, [lane, owner, token], (more: number | null) => more === 1)
  }

  renew({ lane, owner, token }: LaneLease, leaseMs: number): Promise<void> {
    return this.#db.step(RENEW, [lane, owner, token, leaseMs], () => undefined)
  }

  isBusy(lane: string): Promise<boolean> {
    return this.#db.ask(
      (redis) => redis.exists(this.#db.key(`lane:${lane}`)),
      (there) => there === 1,
    )
  }
}
