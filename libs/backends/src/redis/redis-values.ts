import type { RedisConnection } from './redis-connection.ts'
import { stepScript } from './redis-script.ts'

/** `values`: by key; `values:keys`: the keys in byte order. Nothing as value removes the key. */
const SET = stepScript(
  [],
  String.raw`
  local name, is_there, value = arg(), arg(), arg()
  if is_there == '1' then
    call('HSET', key('values'), name, value)
    call('ZADD', key('values:keys'), 0, name)
  else
    call('HDEL', key('values'), name)
    call('ZREM', key('values:keys'), name)
  end`,
)

const CLAIM = stepScript(
  [],
  String.raw`
  local name, value = arg(), arg()
  if call('HSETNX', key('values'), name, value) == 1 then call('ZADD', key('values:keys'), 0, name) end
  return call('HGET', key('values'), name)`,
)

/** No UTF-8 has the byte 255, so it stands behind all that begin with the prefix. */
const LIST = stepScript(
  [],
  String.raw`
  local prefix, from, limit = arg(), arg(), arg()
  local page = {}
  for index, name in ipairs(call('ZRANGEBYLEX', key('values:keys'), from, '(' .. prefix .. '\255', 'LIMIT', 0, limit)) do
    page[index] = {name, call('HGET', key('values'), name)}
  end
  return page`,
)

const PAGE = 1_000

/** Small durable values by key. */
export class RedisValues {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  get(key: string): Promise<string | undefined> {
    return this.#db.ask(
      (redis) => redis.hget(this.#db.key('values'), key),
      (value) => value ?? undefined,
    )
  }

  set(key: string, value: string | undefined): Promise<void> {
    return this.#db.step(SET, [key, value === undefined ? 0 : 1, value ?? ''], () => undefined)
  }

  claim(key: string, value: string): Promise<string> {
    return this.#db.step(CLAIM, [key, value], (claimed: string) => claimed)
  }

  /** In byte order of the keys. */
  async list(prefix: string): Promise<Map<string, string>> {
    const values = new Map<string, string>()
    for (let from = `[${prefix}`, full = true; full;) {
      const page = await this.#db.step(LIST, [prefix, from, PAGE], (reply: [key: string, value: string][]) => reply)
      for (const [key, value] of page) values.set(key, value)
      from = `(${page.at(-1)?.[0] ?? ''}`
      full = page.length === PAGE
    }
    return values
  }
}
