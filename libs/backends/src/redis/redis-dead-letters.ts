import { deadLetter, NETWORK_LANE } from '@koi-mcp/core'
import type { DeadLetter } from '@koi-mcp/core'
import { CACHE_FUNCTIONS } from './redis-cache-functions.ts'
import type { RedisConnection } from './redis-connection.ts'
import { LANE_FUNCTIONS } from './redis-lane-functions.ts'
import { deadLetterRow } from './redis-rows.ts'
import type { Flat } from './redis-rows.ts'
import { stepScript } from './redis-script.ts'

/** Bounded as in core's `withAttempt`; the error comes cut. */
export const HISTORY_FUNCTIONS = String.raw`
  local function add_attempt(arrival, err)
    local history = cjson.decode(call('HGET', arrival, 'history') or '[]')
    history[#history + 1] = {at = now, error = err}
    if #history > 10 then table.remove(history, 1) end
    call('HINCRBY', arrival, 'attempts', 1)
    call('HSET', arrival, 'history', cjson.encode(history))
  end
`

const LIST = stepScript(
  [],
  String.raw`
  local after, limit, with_contents = arg(), arg(), arg()
  local letters = {}
  for index, place in ipairs(call('ZRANGEBYSCORE', key('dead'), '(' .. after, '+inf', 'LIMIT', 0, limit)) do
    local letter = key('dead:' .. place)
    local row = {}
    for _, name in ipairs({'rid', 'event_type', 'source', 'manifest', 'error', 'phase', 'attempts', 'failed_at', 'history', 'contents'}) do
      local value = (name ~= 'contents' or with_contents == '1') and call('HGET', letter, name)
      if value then
        row[#row + 1] = name
        row[#row + 1] = value
      end
    end
    letters[index] = {place, row}
  end
  return letters`,
)

/** In the lane that core's `laneOfArrival` gives it. */
const REPLAY = stepScript(
  [LANE_FUNCTIONS, CACHE_FUNCTIONS],
  String.raw`
  local letter = key('dead:' .. arg())
  local rid, event, source, contents, applied = unpack(call('HMGET', letter, 'rid', 'event_type', 'source', 'contents', 'normalized_event_type'))
  if not rid then return false end
  local place = call('HINCRBY', node, 'place', 1)
  local is_whole = contents or event == 'FORGET' or not source
  local lane = is_whole and is_of_network(rid) and '${NETWORK_LANE}' or rid
  call('ZREM', key('dead'), string.match(letter, '%d+$'))
  call('HDEL', letter, 'attempts', 'history', 'last_error', 'error', 'failed_at')
  call('HSET', letter, 'replayed', 1, 'accepted_at', now, 'lane', lane)
  if not applied then call('HDEL', letter, 'phase') end
  call('RENAME', letter, key('arrival:' .. place))
  call('HINCRBY', node, 'pending', 1)
  append_to_lane(lane, place)
  return place`,
)

const DROP = stepScript(
  [],
  String.raw`
  local place = arg()
  call('UNLINK', key('dead:' .. place))
  return call('ZREM', key('dead'), place)`,
)

/** Arrivals that failed for good. */
export class RedisDeadLetters {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  list(after: number, limit: number, contents: boolean): Promise<DeadLetter[]> {
    const args = [after, Math.max(0, limit), contents ? 1 : 0]
    return this.#db.step(LIST, args, (letters: [place: string, row: Flat][]) =>
      letters.map((letter) => deadLetter(deadLetterRow(...letter))),
    )
  }

  /** Its new place. */
  replay(place: number): Promise<number | undefined> {
    return this.#db.step(REPLAY, [place], (replayed: number | null) => replayed ?? undefined)
  }

  /** Answers whether there was one. */
  drop(place: number): Promise<boolean> {
    return this.#db.step(DROP, [place], (dropped: number) => dropped === 1)
  }
}
