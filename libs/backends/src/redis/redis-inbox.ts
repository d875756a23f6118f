import { storedBundle } from '@koi-mcp/core'
import type * as port from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import {
  arrivalArguments,
  changeArguments,
  emissionArguments,
  errorArguments,
  leaseArguments,
  listArguments,
} from './redis-arguments.ts'
import { ARRIVAL_FUNCTIONS } from './redis-arrival-functions.ts'
import { CACHE_FUNCTIONS } from './redis-cache-functions.ts'
import type { RedisConnection } from './redis-connection.ts'
import { HISTORY_FUNCTIONS } from './redis-dead-letters.ts'
import { ANY_PHASE, LANE_FUNCTIONS } from './redis-lane-functions.ts'
import { LEASE_FUNCTIONS } from './redis-leases.ts'
import { OUTBOX_FUNCTIONS } from './redis-outbox-functions.ts'
import { stepScript } from './redis-script.ts'

/** `once`: the places that a key was answered with, as the first of them and their number; `once:until`: the same keys by their time. */
const ACCEPT = stepScript(
  [LANE_FUNCTIONS, ARRIVAL_FUNCTIONS, LEASE_FUNCTIONS],
  String.raw`
  local lease, owner, token, once, until_ms = arg(), arg(), arg(), arg(), arg()
  if token ~= '' then hold_lease(lease, owner, token) end
  if until_ms ~= '' then
    local known = call('ZSCORE', key('once:until'), once)
    if known and tonumber(known) > now then
      local first, count = string.match(call('HGET', key('once'), once), '^(%d+) (%d+)$')
      return {1, tonumber(first), tonumber(count)}
    end
    for _, old in ipairs(call('ZRANGEBYSCORE', key('once:until'), '-inf', now, 'LIMIT', 0, 100)) do
      call('ZREM', key('once:until'), old)
      call('HDEL', key('once'), old)
    end
  end
  local first, count = append_arrivals()
  if until_ms ~= '' then
    call('ZADD', key('once:until'), until_ms, once)
    call('HSET', key('once'), once, first .. ' ' .. count)
  end
  return {0, first, count}`,
)

const STEP_FUNCTIONS = [LANE_FUNCTIONS, ARRIVAL_FUNCTIONS, CACHE_FUNCTIONS, OUTBOX_FUNCTIONS]

const APPLY = stepScript(
  STEP_FUNCTIONS,
  String.raw`
  local head, change = head_of_lane('received'), read_change()
  local applied = change_cache(head.rid, change)
  local row = {'phase', 'network', 'normalized_event_type', change.event}
  local function put(name, value)
    if value and value ~= '' then
      row[#row + 1] = name
      row[#row + 1] = value
    end
  end
  put('previous_manifest', applied[3])
  put('previous_contents', applied[4])
  -- What was written may have been fetched, or changed by a handler, since the arrival came.
  put('manifest', change.manifest)
  put('contents', change.contents)
  call('HSET', head.arrival, unpack(row))
  append_arrivals()
  queue_sends()
  return applied`,
)

const SETTLE = stepScript(
  STEP_FUNCTIONS,
  String.raw`
  local head, change, targets, as_of = head_of_lane('received'), read_change(), args(), tonumber(arg())
  if tonumber(call('HGET', node, 'network') or 0) > as_of then return false end
  local applied = change_cache(head.rid, change)
  queue_change(head.rid, change.event, targets)
  append_arrivals()
  queue_sends()
  local more = remove_head(head)
  if not more then free_lane(head.lane) end
  return {applied[2], more and 1 or 0}`,
)

const ANNOUNCE = stepScript(
  STEP_FUNCTIONS,
  String.raw`
  local head = head_of_lane('network')
  queue_change(head.rid, head.event, args())
  call('HSET', head.arrival, 'phase', 'final')
  append_arrivals()
  queue_sends()`,
)

const FINISH = stepScript(
  STEP_FUNCTIONS,
  String.raw`
  local head = head_of_lane('${ANY_PHASE}')
  append_arrivals()
  queue_sends()
  return remove_head(head)`,
)

const RETRY_LATER = stepScript(
  [LANE_FUNCTIONS, HISTORY_FUNCTIONS],
  String.raw`
  local head = head_of_lane('${ANY_PHASE}')
  local err, cut, due_at, counts = arg(), arg(), arg(), arg()
  if counts == '1' then add_attempt(head.arrival, cut) end
  call('HSET', head.arrival, 'last_error', err)
  call('ZADD', key('lanes:due'), due_at, head.lane)`,
)

/** `dead`: places of dead letters; `dead:<place>`: the arrival, with when and why it failed. */
const DEAD_LETTER = stepScript(
  [...STEP_FUNCTIONS, HISTORY_FUNCTIONS],
  String.raw`
  local head = head_of_lane(arg())
  local err, cut, targets = arg(), arg(), args()
  if head.event then queue_change(head.rid, head.event, targets) end
  add_attempt(head.arrival, cut)
  call('HSET', head.arrival, 'error', err, 'failed_at', now)
  call('RENAME', head.arrival, key('dead:' .. head.place))
  call('ZADD', key('dead'), head.place, head.place)
  append_arrivals()
  queue_sends()
  return remove_head(head)`,
)

const STATE = stepScript(
  [],
  String.raw`
  local first = call('ZRANGE', key('lanes:due'), 0, 0, 'WITHSCORES')
  return {tonumber(call('HGET', node, 'pending') or 0), call('ZCARD', key('dead')), first[2]}`,
)

/** The way in, and the steps of an arrival. */
export class RedisInbox {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  accept(
    arrivals: readonly port.NewArrival[],
    once: port.OnceKey | undefined,
    under: port.NamedLease | undefined,
  ): Promise<port.Accepted> {
    const { name = '', owner = '', token = '' } = under ?? {}
    const until = once === undefined ? '' : Math.trunc(once.until)
    const args = [name, owner, token, once?.key ?? '', until, ...arrivalArguments(arrivals)]
    type Reply = [repeated: number, first: number, count: number]
    return this.#db.step(ACCEPT, args, ([repeated, first, count]: Reply) => ({
      places: Array.from({ length: count }, (_, index) => first + index),
      repeated: repeated === 1,
    }))
  }

  apply(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    emissions: port.Emissions,
  ): Promise<port.AppliedChange & { changed: boolean }> {
    const args = [...leaseArguments(lease, place), ...changeArguments(change), ...emissionArguments(emissions)]
    type Reply = [seq: number, changed: number, manifest?: string | null, contents?: string | null]
    return this.#db.step(APPLY, args, ([seq, changed, manifest, contents]: Reply) => ({
      seq,
      changed: changed === 1,
      ...(manifest == null || contents == null ? {} : { previous: storedBundle(manifest, contents) }),
    }))
  }

  settle(
    lease: port.LaneLease,
    place: number,
    change: port.CacheChange,
    { targets, asOf }: { readonly targets: readonly Rid[]; readonly asOf: number },
    emissions: port.Emissions,
  ): Promise<(port.Settled & { changed: boolean }) | undefined> {
    const announcement = [...listArguments(targets), asOf]
    const args = [...leaseArguments(lease, place), ...changeArguments(change), ...announcement]
    return this.#db.step(
      SETTLE,
      [...args, ...emissionArguments(emissions)],
      (settled: [changed: number, more: number] | null) =>
        settled === null ? undefined : { changed: settled[0] === 1, more: settled[1] === 1 },
    )
  }

  announce(lease: port.LaneLease, place: number, targets: readonly Rid[], emissions: port.Emissions): Promise<void> {
    const args = [...leaseArguments(lease, place), ...listArguments(targets), ...emissionArguments(emissions)]
    return this.#db.step(ANNOUNCE, args, () => undefined)
  }

  /** Answers whether the lane goes on. */
  finish(lease: port.LaneLease, place: number, emissions: port.Emissions): Promise<boolean> {
    const args = [...leaseArguments(lease, place), ...emissionArguments(emissions)]
    return this.#db.step(FINISH, args, (more: number | null) => more === 1)
  }

  retryLater(
    lease: port.LaneLease,
    place: number,
    { error, dueAt, countAttempt }: { error: string; dueAt: number; countAttempt: boolean },
  ): Promise<void> {
    const args = [...leaseArguments(lease, place), ...errorArguments(error), Math.trunc(dueAt), countAttempt ? 1 : 0]
    return this.#db.step(RETRY_LATER, args, () => undefined)
  }

  /** Answers whether the lane goes on. */
  deadLetter(
    lease: port.LaneLease,
    place: number,
    error: string,
    emissions: port.Emissions,
    targets: readonly Rid[],
  ): Promise<boolean> {
    // Only of one that was cached, and not announced yet, is there anything to tell.
    const phases = targets.length > 0 ? 'network' : ANY_PHASE
    const args = [phases, ...leaseArguments(lease, place), ...errorArguments(error), ...listArguments(targets)]
    return this.#db.step(DEAD_LETTER, [...args, ...emissionArguments(emissions)], (more: number | null) => more === 1)
  }

  state(): Promise<{ pending: number; deadLetters: number; nextDueAt: number | undefined }> {
    type Reply = [pending: number, deadLetters: number, due?: string]
    return this.#db.step(STATE, [], ([pending, deadLetters, due]: Reply) => ({
      pending,
      deadLetters,
      nextDueAt: due === undefined ? undefined : Number(due),
    }))
  }
}
