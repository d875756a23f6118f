import type { DeliveryBatch, DueTarget, OutboxTargetState, TakeOptions } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { listArguments } from './redis-arguments.ts'
import { CACHE_FUNCTIONS } from './redis-cache-functions.ts'
import type { RedisConnection } from './redis-connection.ts'
import { OUTBOX_FUNCTIONS } from './redis-outbox-functions.ts'
import { stepScript } from './redis-script.ts'

const FUNCTIONS = [CACHE_FUNCTIONS, OUTBOX_FUNCTIONS]

/** Those that failed join the others when their moment has come. */
const DUE = stepScript(
  [],
  String.raw`
  local limit, due_at, after = tonumber(arg()), tonumber(arg()), arg()
  local come = call('ZRANGEBYSCORE', key('targets:waiting'), '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1000)
  for index = 1, #come, 2 do
    call('ZREM', key('targets:waiting'), come[index])
    call('ZADD', key('targets:ready'), come[index + 1], come[index])
  end
  local found, offset = {}, 0
  repeat
    local page = call('ZRANGEBYSCORE', key('targets:ready'), due_at, '+inf', 'WITHSCORES', 'LIMIT', offset, 200)
    for index = 1, #page, 2 do
      local target, at = page[index], tonumber(page[index + 1])
      local over = call('ZSCORE', key('targets:held'), target)
      if #found < limit and (at > due_at or target > after) and not (over and tonumber(over) > now) then
        found[#found + 1] = {target, at, tonumber(call('HGET', key('targets:failures'), target) or 0)}
      end
    end
    offset = offset + 200
  until #page == 0 or #found == limit
  return found`,
)

/** Only a target that failed waits for its moment, and only what is queued is delivered. */
const NEXT = stepScript(
  [],
  String.raw`
  local first
  local function consider(at)
    if at > now and (not first or at < first) then first = at end
  end
  local held = call('ZRANGEBYSCORE', key('targets:held'), '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1000)
  for index = 1, #held, 2 do
    if call('ZSCORE', key('targets'), held[index]) then
      consider(math.max(tonumber(held[index + 1]), tonumber(call('ZSCORE', key('targets:waiting'), held[index]) or 0)))
    end
  end
  local waiting = call('ZRANGEBYSCORE', key('targets:waiting'), '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1000)
  for index = 1, #waiting, 2 do
    local over = call('ZSCORE', key('targets:held'), waiting[index])
    if not over or tonumber(over) <= now then
      consider(tonumber(waiting[index + 1]))
      break
    end
  end
  return first or false`,
)

/** Rows whose bundle is gone are left out and removed: nobody will send them any more. What is sent, the target may have had, whether or not it says so. */
const TAKE = stepScript(
  FUNCTIONS,
  String.raw`
  local target, owner, lease_ms, limit, max_bytes, ignores_due = arg(), arg(), tonumber(arg()), tonumber(arg()), tonumber(arg()), arg()
  if under_way(target) > 0 then return false end
  local due_at = call('ZSCORE', key('targets:waiting'), target)
  if due_at and tonumber(due_at) > now and ignores_due == '0' then return false end
  local batch, gone, bytes, looked, after, full = {}, {}, 0, 0, '-inf', false
  repeat
    local page = call('ZRANGEBYSCORE', key('queue:' .. target), after, '+inf', 'LIMIT', 0, 100)
    for _, id in ipairs(page) do
      after = '(' .. id
      looked = looked + 1
      local row = row_of(target, id)
      row.text = row.kind == 't' and call('HGET', key('texts:' .. target), id) or text_to_send(row.rid, row.event)
      if not row.text then
        gone[#gone + 1] = id
      else
        -- One more for the comma between events.
        bytes = bytes + #row.text + 1
        full = #batch > 0 and bytes > max_bytes
        if not full then batch[#batch + 1] = row end
      end
      full = full or (limit > 0 and #batch == limit) or looked == 10000
      if full then break end
    end
  until #page == 0 or full
  remove_rows(target, gone)
  if #batch == 0 then return false end
  local texts, rids, ids = {}, {}, {}
  for index, row in ipairs(batch) do
    texts[index], rids[index], ids[index] = row.text, row.rid, tonumber(row.id)
    if row.fresh then
      row.fresh = false
      put_row(target, row)
    end
  end
  local token = call('HINCRBY', node, 'token', 1)
  call('ZADD', key('targets:held'), now + lease_ms, target)
  call('HSET', key('targets:leases'), target, batch[#batch].id .. ' ' .. token .. ' ' .. owner)
  return {token, tonumber(call('HGET', key('targets:failures'), target) or 0), ids, rids, texts}`,
)

const RENEW = stepScript(
  FUNCTIONS,
  String.raw`
  local target, owner, token, lease_ms = arg(), arg(), arg(), tonumber(arg())
  hold_target(target, owner, token)
  call('ZADD', key('targets:held'), now + lease_ms, target)`,
)

const DONE = stepScript(
  FUNCTIONS,
  String.raw`
  local target, owner, token = arg(), arg(), arg()
  give_target_back(target, owner, token)
  if not remove_rows(target, args()) then return false end
  call('ZREM', key('targets:waiting'), target)
  call('ZADD', key('targets:ready'), now, target)
  call('HDEL', key('targets:failures'), target)
  call('HDEL', key('targets:errors'), target)
  return true`,
)

const FAILED = stepScript(
  FUNCTIONS,
  String.raw`
  local target, owner, token, due_at, err = arg(), arg(), arg(), arg(), arg()
  give_target_back(target, owner, token)
  for _, rid in ipairs(args()) do
    collapse(target, 'r', rid, 0)
    collapse(target, 't', rid, 0)
  end
  if not call('ZSCORE', key('targets'), target) then return end
  call('HINCRBY', key('targets:failures'), target, 1)
  call('HSET', key('targets:errors'), target, err)
  call('ZREM', key('targets:ready'), target)
  call('ZADD', key('targets:waiting'), due_at, target)`,
)

const DROP = stepScript(
  FUNCTIONS,
  String.raw`
  local target = arg()
  call('HDEL', key('targets:lapsed'), target)
  call('HDEL', key('targets:resumed'), target)
  return drop_rows(target)`,
)

const STATE = stepScript(
  [],
  String.raw`
  local from, limit = arg(), arg()
  local states = {}
  for index, target in ipairs(call('ZRANGEBYLEX', key('targets'), from, '+', 'LIMIT', 0, limit)) do
    states[index] = {target, call('ZCARD', key('queue:' .. target)), call('ZRANGE', key('ages:' .. target), 0, 0, 'WITHSCORES')[2],
      tonumber(call('HGET', key('targets:failures'), target) or 0), call('HGET', key('targets:errors'), target)}
  end
  return states`,
)

/** Stands before every target. */
const FIRST = { target: '' as Rid, dueAt: 0 }
/** Of a batch without a bound of its own. */
const MOST_BYTES = 64 * 1024 * 1024
const STATES_A_PAGE = 500

/** Batches on their way: one at a time for each target, under a lease. */
export class RedisDeliveries {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  async dueTargets(
    limit: number,
    { dueAt, target }: Pick<DueTarget, 'target' | 'dueAt'> = FIRST,
  ): Promise<DueTarget[]> {
    if (limit <= 0) return []
    return this.#db.step(DUE, [limit, dueAt, target], (due: [target: Rid, dueAt: number, failures: number][]) =>
      due.map(([target, dueAt, failures]) => ({ target, dueAt, failures })),
    )
  }

  nextDeliveryAt(): Promise<number | undefined> {
    return this.#db.step(NEXT, [], (at: number | null) => at ?? undefined)
  }

  take(
    target: Rid,
    { owner, leaseMs, limit, maxBytes = MOST_BYTES, ignoreDue }: TakeOptions,
  ): Promise<DeliveryBatch | undefined> {
    const args = [target, owner, leaseMs, limit, Math.min(maxBytes, MOST_BYTES), ignoreDue === true ? 1 : 0]
    type Taken = [token: number, failures: number, rows: number[], rids: Rid[], eventTexts: string[]]
    return this.#db.step(TAKE, args, (taken: Taken | null) => {
      if (taken === null) return undefined
      const [token, failures, rows, rids, eventTexts] = taken
      return { target, owner, token, eventTexts, rids, failures, rows }
    })
  }

  renew({ target, owner, token }: DeliveryBatch, leaseMs: number): Promise<void> {
    return this.#db.step(RENEW, [target, owner, token, leaseMs], () => undefined)
  }

  /** Answers whether more is queued. */
  done({ target, owner, token, rows }: DeliveryBatch): Promise<boolean> {
    const args = [target, owner, token, ...listArguments(rows)]
    return this.#db.step(DONE, args, (more: number | null) => more === 1)
  }

  failed(
    { target, owner, token, rids }: DeliveryBatch,
    { error, dueAt }: { error: string; dueAt: number },
  ): Promise<void> {
    const args = [target, owner, token, Math.trunc(dueAt), error, ...listArguments([...new Set(rids)])]
    return this.#db.step(FAILED, args, () => undefined)
  }

  drop(target: Rid): Promise<number> {
    return this.#db.step(DROP, [target], (dropped: number) => dropped)
  }

  async state(): Promise<OutboxTargetState[]> {
    const states: OutboxTargetState[] = []
    for (let from = '-', full = true; full;) {
      type Reply = [target: Rid, queued: number, oldestAt: string, failures: number, lastError: string | null]
      const page = await this.#db.step(STATE, [from, STATES_A_PAGE], (reply: Reply[]) => reply)
      for (const [target, queued, oldestAt, failures, lastError] of page) {
        const state = { target, queued, oldestAt: Number(oldestAt), failures }
        states.push(lastError === null ? state : { ...state, lastError })
      }
      from = `(${page.at(-1)?.[0] ?? ''}`
      full = page.length === STATES_A_PAGE
    }
    return states
  }
}
