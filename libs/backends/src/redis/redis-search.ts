import { searchTerms, snippetOf } from '@koi-mcp/core'
import type { SearchOptions, SearchPage } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { listArguments } from './redis-arguments.ts'
import type { RedisConnection } from './redis-connection.ts'
import { stepScript } from './redis-script.ts'

/** Documents that have one token, a part at a time: of those that have all others too, RID and score, which sums the weights of what matched. */
const LOOK = stepScript(
  [],
  String.raw`
  local token, cursor, terms = arg(), arg(), {}
  for _ = 1, tonumber(arg()) / 2 do terms[#terms + 1] = {'\n' .. arg(), arg() == '1'} end
  local types = args()

  local function is_wanted(rid)
    for _, name in ipairs(types) do
      if string.sub(rid, 1, #name + 1) == name .. ':' then return true end
    end
    return #types == 0
  end

  -- The greatest weight of a token that the term stands for.
  local function weight_of(words, term)
    local text, is_prefix = term[1], term[2]
    if not is_prefix then text = text .. '=' end
    local best, from, to = nil, string.find(words, text, 1, true)
    while from do
      local weight = tonumber(string.match(words, '=(%d+)', to))
      if not best or weight > best then best = weight end
      from, to = string.find(words, text, to + 1, true)
    end
    return best
  end

  local function score_of(words)
    local score = 0
    for _, term in ipairs(terms) do
      local weight = weight_of(words, term)
      if not weight then return nil end
      score = score + weight
    end
    return score
  end

  local found = {}
  local next_cursor, ids = unpack(call('SSCAN', key('token:' .. token), cursor, 'COUNT', 200))
  local rids = #ids > 0 and call('HMGET', key('docs'), unpack(ids)) or {}
  for _, rid in ipairs(rids) do
    if rid and is_wanted(rid) then
      local score = score_of(call('HGET', key('cache:' .. rid), 'words') or '')
      if score then found[#found + 1] = {rid, score} end
    end
  end
  return {next_cursor, #ids, found}`,
)

const DEFAULT_LIMIT = 20
const TOKENS_A_PAGE = 100
/** Of one query: documents that are looked at, each as often as the query may mean a token of it. What is beyond is neither found nor counted. */
const MOST_LOOKED_AT = 50_000
/** Stands behind all that tokens are made of. */
const BEHIND = '\u{10ffff}'

type Terms = ReturnType<typeof searchTerms>

/** Full-text search with core's tokens, in parts of which none keeps the server busy: what changes meanwhile may be found or not. */
export class RedisSearch {
  readonly #db: RedisConnection

  constructor(db: RedisConnection) {
    this.#db = db
  }

  async search(query: string, { types = [], limit = DEFAULT_LIMIT, offset = 0 }: SearchOptions): Promise<SearchPage> {
    const terms = searchTerms(query)
    const known = types.filter((type) => ridTypeOf(`${type}:x` as Rid) === type)
    if (terms.length === 0 || (types.length > 0 && known.length === 0)) return { total: 0, hits: [] }
    const scores = await this.#scoresOf(terms, known)
    const ranked = [...scores].sort(([oneRid, one], [otherRid, other]) => other - one || (oneRid < otherRid ? -1 : 1))
    const from = Math.max(0, offset)
    const page = ranked.slice(from, from + Math.max(0, limit))
    const hits = page.map(async ([rid, score]) => {
      const contents = await this.#db.ask(
        (redis) => redis.hget(this.#db.key(`cache:${rid}`), 'contents'),
        (text) => text ?? '',
      )
      return { rid, score, snippet: snippetOf(contents, terms) }
    })
    return { total: ranked.length, hits: await Promise.all(hits) }
  }

  /** All that match. The token that fewest documents have is gone through; without a whole one, those that the longest prefix stands for. */
  async #scoresOf(terms: Terms, types: readonly string[]): Promise<ReadonlyMap<Rid, number>> {
    const wanted = [
      ...listArguments(terms.flatMap(({ token, prefix }) => [token, prefix ? '1' : '0'])),
      ...listArguments(types),
    ]
    const scores = new Map<Rid, number>()
    let left = MOST_LOOKED_AT
    const look = async (token: string): Promise<void> => {
      for (let cursor = '0', started = false; left > 0 && !(started && cursor === '0'); started = true) {
        type Reply = [next: string, looked: number, found: [rid: Rid, score: number][]]
        const [next, looked, found] = await this.#db.step(LOOK, [token, cursor, ...wanted], (reply: Reply) => reply)
        for (const [rid, score] of found) scores.set(rid, score)
        cursor = next
        left -= looked
      }
    }
    const rarest = await this.#rarestOf(terms)
    if (rarest !== undefined) await look(rarest)
    else
      for await (const tokens of this.#beginningWith(longestOf(terms))) {
        await Promise.all(tokens.map(look))
        if (left <= 0) break
      }
    return scores
  }

  /** Of the terms that are whole tokens. */
  async #rarestOf(terms: Terms): Promise<string | undefined> {
    const counted = terms
      .filter(({ prefix }) => !prefix)
      .map(async ({ token }) => ({
        token,
        count: await this.#db.ask(
          (redis) => redis.scard(this.#db.key(`token:${token}`)),
          (count) => count,
        ),
      }))
    return (await Promise.all(counted)).sort((one, other) => one.count - other.count)[0]?.token
  }

  async *#beginningWith(prefix: string): AsyncGenerator<string[]> {
    for (let from = `[${prefix}`; ;) {
      const page = await this.#db.ask(
        (redis) => redis.zrangebylex(this.#db.key('tokens'), from, `(${prefix}${BEHIND}`, 'LIMIT', 0, TOKENS_A_PAGE),
        (tokens) => tokens,
      )
      const last = page.at(-1)
      if (last === undefined) return
      yield page
      from = `(${last}`
    }
  }
}

function longestOf(terms: Terms): string {
  return terms.map(({ token }) => token).sort((one, other) => other.length - one.length)[0] ?? ''
}
