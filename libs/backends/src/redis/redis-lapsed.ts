import type { LapsedTarget, StateReference } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { listArguments } from './redis-arguments.ts'
import { CACHE_FUNCTIONS } from './redis-cache-functions.ts'
import type { RedisConnection } from './redis-connection.ts'
import { OUTBOX_FUNCTIONS } from './redis-outbox-functions.ts'
import { inByteOrder } from './redis-rows.ts'
import { stepScript } from './redis-script.ts'

const FUNCTIONS = [CACHE_FUNCTIONS, OUTBOX_FUNCTIONS]

/** Why its last batch failed stays for those who ask. */
const LAPSE = stepScript(
  FUNCTIONS,
  String.raw`
  local target, before = arg(), tonumber(arg())
  local oldest = call('ZRANGE', key('ages:' .. target), 0, 0, 'WITHSCORES')[2]
  if not oldest or tonumber(oldest) > before or under_way(target) > 0 then return false end
  call('HSET', key('targets:lapsed'), target, now)
  call('HDEL', key('targets:resumed'), target)
  return drop_rows(target)`,
)

const LIST = stepScript(
  [],
  String.raw`
  local from, limit = arg(), arg()
  local lapsed = {}
  local cursor, page = unpack(call('HSCAN', key('targets:lapsed'), from, 'COUNT', limit))
  for index = 1, #page, 2 do
    lapsed[#lapsed + 1] = {page[index], tonumber(page[index + 1]), call('HEXISTS', key('targets:resumed'), page[index]),
      call('HGET', key('targets:errors'), page[index])}
  end
  return {cursor, lapsed}`,
)

const RESUME = stepScript(
  FUNCTIONS,
  String.raw`
  local target = arg()
  if call('HEXISTS', key('targets:lapsed'), target) == 0 then return false end
  call('HDEL', key('targets:errors'), target)
  return call('HSETNX', key('targets:resumed'), target, 1)`,
)

const QUEUE_STATE = stepScript(
  FUNCTIONS,
  String.raw`
  local target, is_last = arg(), arg()
  if call('HEXISTS', key('targets:resumed'), target) == 0 then return end
  for _ = 1, tonumber(arg()) / 2 do
    local rid, event = arg(), arg()
    if call('HGET', key('cache:' .. rid), 'origin') ~= target then queue_event(target, rid, event, false) end
  end
  if is_last == '1' then
    call('HDEL', key('targets:lapsed'), target)
    call('HDEL', key('targets:resumed'), target)
    if not call('ZSCORE', key('targets'), target) then close_target(target) end
  end`,
)

const QUEUE_ANEW = stepScript(
  FUNCTIONS,
  String.raw`
  local target = arg()
  for _, rid in ipairs(args()) do
    local origin, manifest = unpack(call('HMGET', key('cache:' .. rid), 'origin', 'manifest'))
    if origin ~= target and starts_with(rid, 'orn:koi-net.') then
      queue_event(target, rid, manifest and 'UPDATE' or 'FORGET', false)
    elseif origin ~= target then
      for id in refs_of(target, 'r' .. rid) do
        local row = row_of(target, id)
        row.fresh = false
        put_row(target, row)
      end
      queue_event(target, rid, 'FORGET', false)
      queue_event(target, rid, 'NEW', false)
    end
  end`,
)

const LAPSED_A_PAGE = 500

/** Targets whose events were given up or came late, and what they are told then. */
export class RedisLapsed {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  lapse(target: Rid, before: number): Promise<number | undefined> {
    return this.#db.step(LAPSE, [target, Math.trunc(before)], (dropped: number | null) => dropped ?? undefined)
  }

  async list(): Promise<LapsedTarget[]> {
    const lapsed = new Map<Rid, LapsedTarget>()
    let cursor = '0'
    do {
      type Reply = [next: string, page: [target: Rid, lapsedAt: number, resumed: number, lastError: string | null][]]
      const [next, page] = await this.#db.step(LIST, [cursor, LAPSED_A_PAGE], (reply: Reply) => reply)
      for (const [target, lapsedAt, resumed, lastError] of page) {
        const state = { target, lapsedAt, resumed: resumed === 1 }
        lapsed.set(target, lastError === null ? state : { ...state, lastError })
      }
      cursor = next
    } while (cursor !== '0')
    return [...lapsed.values()].sort((one, other) => inByteOrder(one.target, other.target))
  }

  resume(target: Rid): Promise<boolean> {
    return this.#db.step(RESUME, [target], (resumed: number | null) => resumed === 1)
  }

  queueState(target: Rid, references: readonly StateReference[], last: boolean): Promise<void> {
    const args = references.flatMap(({ rid, eventType }) => [rid, eventType])
    return this.#db.step(QUEUE_STATE, [target, last ? 1 : 0, ...listArguments(args)], () => undefined)
  }

  queueAnew(target: Rid, rids: readonly Rid[]): Promise<void> {
    return this.#db.step(QUEUE_ANEW, [target, ...listArguments(rids)], () => undefined)
  }
}
