import { cachedBundle, storedManifest } from '@koi-mcp/core'
import type { Change, ListOptions, SearchOptions, SearchPage, StoredBundle } from '@koi-mcp/core'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { RedisConnection } from './redis-connection.ts'
import { CACHE_FIELDS, cacheRow, inByteOrder } from './redis-rows.ts'
import type { CacheFields } from './redis-rows.ts'
import { stepScript } from './redis-script.ts'
import { RedisSearch } from './redis-search.ts'

const LIST_BUNDLES = stepScript(
  [],
  String.raw`
  local from, to, limit = arg(), arg(), arg()
  local bundles = {}
  for index, rid in ipairs(call('ZRANGEBYLEX', key('rids'), from, to, 'LIMIT', 0, limit)) do
    bundles[index] = {rid, call('HMGET', key('cache:' .. rid), ${CACHE_FIELDS.map((name) => `'${name}'`).join(', ')})}
  end
  return bundles`,
)

/** Of one call, so that none keeps the server busy for long. */
const RIDS_A_PAGE = 5_000
const BUNDLES_A_PAGE = 200

/** Reads of the knowledge cache and its change log. */
export class RedisCache {
  readonly #db: RedisConnection
  readonly #search: RedisSearch

  constructor(db: RedisConnection) {
    this.#db = db
    this.#search = new RedisSearch(db)
  }

  read(rid: Rid): Promise<StoredBundle | undefined> {
    return this.#db.ask(
      (redis) => redis.hmget(this.#db.key(`cache:${rid}`), ...CACHE_FIELDS),
      (fields) => {
        const row = cacheRow(rid, fields as unknown as CacheFields)
        return row && cachedBundle(row)
      },
    )
  }

  async readMany(rids: readonly Rid[]): Promise<StoredBundle[]> {
    return (await Promise.all(rids.map((rid) => this.read(rid)))).filter((bundle) => bundle !== undefined)
  }

  async readManifests(rids: readonly Rid[]): Promise<Manifest[]> {
    const manifests = rids.map((rid) =>
      this.#db.ask(
        (redis) => redis.hget(this.#db.key(`cache:${rid}`), 'manifest'),
        (text) => (text === null ? undefined : storedManifest(text)),
      ),
    )
    return (await Promise.all(manifests)).filter((manifest) => manifest !== undefined)
  }

  listRids(options: ListOptions): Promise<Rid[]> {
    return this.#list(
      options,
      RIDS_A_PAGE,
      (rid) => rid,
      ({ from, to }, limit) =>
        this.#db.ask(
          (redis) => redis.zrangebylex(this.#db.key('rids'), from, to, 'LIMIT', 0, limit),
          (rids) => rids as Rid[],
        ),
    )
  }

  listBundles(options: ListOptions): Promise<StoredBundle[]> {
    return this.#list(
      options,
      BUNDLES_A_PAGE,
      ({ rid }) => rid,
      ({ from, to }, limit) =>
        this.#db.step(LIST_BUNDLES, [from, to, limit], (bundles: [rid: Rid, fields: CacheFields][]) =>
          bundles.map(([rid, fields]) => {
            const row = cacheRow(rid, fields)
            if (row === undefined) throw new SyntaxError(`${rid} is listed, but not there`)
            return cachedBundle(row)
          }),
        ),
    )
  }

  countByType(): Promise<Map<string, number>> {
    return this.#db.ask(
      (redis) => redis.hgetall(this.#db.key('types')),
      (counts) => new Map(Object.entries(counts).map(([type, count]) => [type, Number(count)])),
    )
  }

  search(query: string, options: SearchOptions): Promise<SearchPage> {
    return this.#search.search(query, options)
  }

  changesAfter(seq: number, limit: number): Promise<Change[]> {
    return this.#db.ask(
      (redis) => redis.zrangebyscore(this.#db.key('changes'), `(${seq}`, '+inf', 'LIMIT', 0, Math.max(0, limit)),
      (changes) => changes.map(changeOf),
    )
  }

  lastChange(): Promise<number> {
    return this.#db.ask(
      (redis) => redis.hget(this.#db.key('node'), 'seq'),
      (seq) => Number(seq ?? 0),
    )
  }

  /** One range of RIDs after the other, each a page at a time. */
  async #list<T>(
    { types = [], after = '' as Rid, limit = Number.POSITIVE_INFINITY }: ListOptions,
    most: number,
    ridOf: (row: T) => Rid,
    read: (range: Range, limit: number) => Promise<T[]>,
  ): Promise<T[]> {
    const found: T[] = []
    for (const range of rangesOf(types)) {
      let from = after === '' || inByteOrder(after, range.first) < 0 ? range.from : `(${after}`
      for (let full = true; full && found.length < limit;) {
        const wanted = Math.min(most, limit - found.length)
        const page = await read({ ...range, from }, wanted)
        for (const row of page) found.push(row)
        const last = page.at(-1)
        full = page.length === wanted
        if (last !== undefined) from = `(${ridOf(last)}`
      }
    }
    return found
  }
}

interface Range {
  readonly first: string
  readonly from: string
  readonly to: string
}

/**
 * An RID begins with its type and a colon, so that the types' RIDs stand in blocks, and the blocks in the order of these beginnings. What is
 * no type has none.
 */
function rangesOf(types: readonly string[]): readonly Range[] {
  if (types.length === 0) return [{ first: '', from: '-', to: '+' }]
  const known = [...new Set(types)].filter((type) => ridTypeOf(`${type}:x` as Rid) === type)
  // ";" is the byte behind ":".
  const ranges = known.map((type) => ({ first: `${type}:`, from: `[${type}:`, to: `(${type};` }))
  return ranges.sort((one, other) => inByteOrder(one.first, other.first))
}

function changeOf(text: string): Change {
  const [seq, eventType, rid, origin] = JSON.parse(text) as [number, EventType, Rid, Rid?]
  return origin === undefined ? { seq, rid, eventType } : { seq, rid, eventType, origin }
}
