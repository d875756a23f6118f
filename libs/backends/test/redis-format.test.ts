import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { NO_EMISSIONS, silentLogger, storedBundle, textToSend } from '@koi-mcp/core'
import type { Clock, NodeStore } from '@koi-mcp/core'
import { asRid, contentsOf, formatTimestamp, generateBundle, parseTimestamp } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { ARRIVAL_FUNCTIONS } from '../src/redis/redis-arrival-functions.ts'
import { RedisConnection } from '../src/redis/redis-connection.ts'
import { migrate, MIGRATIONS } from '../src/redis/redis-format.ts'
import type { Migration } from '../src/redis/redis-format.ts'
import { takeLane } from './test-schemas.ts'
import { asked, testNamespaces, url } from './test-namespaces.ts'

const RID = asRid('orn:data-catalog.dataset:a')
const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)

describe.skipIf(url === '')('the namespace', () => {
  const namespaces = testNamespaces()
  const stores: NodeStore[] = []
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
  })
  const open = async (namespace: string, clock?: Clock) => {
    const store = await openRedisStore({ url, namespace, clock })
    stores.push(store)
    return store
  }
  const formatOf = (namespace: string) =>
    asked((redis) => redis.hmget(`{${namespace}}:format`, 'version', 'oldest', 'marks'))
  /** Brings a namespace to a format of a release to come. */
  const migrateTo = async (namespace: string, step: Migration) => {
    const db = new RedisConnection({ url, namespace, clock: undefined, log: silentLogger, durability: 'full' })
    await db.open(() => migrate(db, [...MIGRATIONS, step])).finally(() => db.close())
  }
  const put = async (store: NodeStore, rid: Rid, contents: object, targets: readonly Rid[] = []) => {
    await store.accept([{ rid, eventType: 'NEW', contents: contentsOf(contents) }])
    const lease = (await takeLane(store, 60_000))!
    const { place, ...arrival } = (await store.nextArrival(lease))!
    const bundle = { manifest: arrival.manifest!, contents: arrival.contents! }
    await store.apply(lease, place, { kind: 'write', normalizedEventType: 'NEW', bundle }, NO_EMISSIONS)
    await store.announce(lease, place, targets, NO_EMISSIONS)
    await store.finish(lease, place, NO_EMISSIONS)
    await store.releaseLane(lease)
  }
  const forget = async (store: NodeStore, rid: Rid) => {
    await store.accept([{ rid, eventType: 'FORGET' }])
    const lease = (await takeLane(store, 60_000))!
    const { place } = (await store.nextArrival(lease))!
    await store.settle(lease, place, { kind: 'forget' }, { targets: [], asOf: 1e9 }, NO_EMISSIONS)
  }

  it('is made once by replicas that start at the same time', async () => {
    const namespace = namespaces()
    const opened = await Promise.all([1, 2, 3, 4].map(() => open(namespace)))
    await Promise.all(opened.map((store, index) => store.setValue(`k${index}`, 'v')))
    expect((await opened[0]!.listValues('k')).size).toBe(4)
    expect(await formatOf(namespace)).toEqual(['1', '1', null])
  })

  it('is brought to a new format once by replicas that start at the same time', async () => {
    const namespace = namespaces()
    const step = { lua: `redis.call('HINCRBY', KEYS[1], 'marks', 1)`, oldest: 1 }
    await Promise.all([1, 2, 3, 4].map(() => migrateTo(namespace, step)))
    expect(await formatOf(namespace)).toEqual(['2', '1', '1'])
  })

  it('of a newer release is worked on as long as it was only expanded', async () => {
    const namespace = namespaces()
    const old = await open(namespace)
    await migrateTo(namespace, { lua: '', oldest: 1 })
    expect(await formatOf(namespace)).toEqual(['2', '1', null])
    await old.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    const restarted = await open(namespace)
    const lease = (await takeLane(restarted, 60_000))!
    expect(await old.nextArrival(lease)).toMatchObject({ rid: RID })
  })

  it('of a newer release that contracted it is refused, and left as it was', async () => {
    const namespace = namespaces()
    await open(namespace)
    await migrateTo(namespace, { lua: '', oldest: 2 })
    await expect(open(namespace)).rejects.toMatchObject({
      code: 'NEWER_FORMAT',
      message: expect.stringContaining('format 2'),
    })
    expect(await formatOf(namespace)).toEqual(['2', '2', null])
  })

  it('that lost a part of its keys, or is not ours, is refused', async () => {
    const [lost, strange] = [namespaces(), namespaces()]
    await (await open(lost)).accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    await asked((redis) => redis.del(`{${lost}}:format`))
    await expect(open(lost)).rejects.toMatchObject({ code: 'DAMAGED', message: expect.stringContaining('lost a part') })
    await asked((redis) => redis.set(`{${strange}}:format`, 'theirs'))
    await expect(open(strange)).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringContaining('another namespace'),
    })
  })

  it('that is emptied, or filled anew, while it is in use is not written to', async () => {
    const namespace = namespaces()
    const store = await open(namespace)
    await asked((redis) => redis.del(`{${namespace}}:format`, `{${namespace}}:node`))
    const gone = { code: 'DAMAGED', message: expect.stringContaining('start this node again') }
    await expect(store.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])).rejects.toMatchObject(gone)
    const other = await open(namespace)
    await expect(store.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])).rejects.toMatchObject(gone)
    expect((await other.inboxState()).pending).toBe(0)
  })

  it('with something in it that cannot be read says so', async () => {
    const namespace = namespaces()
    const store = await open(namespace)
    await store.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    await asked((redis) => redis.hset(`{${namespace}}:arrival:1`, 'manifest', 'torn'))
    await expect(store.takeLanes('w', 1, 1)).rejects.toMatchObject({ code: 'DAMAGED' })
    await asked((redis) => redis.del(`{${namespace}}:arrival:1`))
    await put(store, asRid('orn:data-catalog.dataset:b'), { b: 1 }).catch(() => undefined)
    await asked((redis) => redis.set(`{${namespace}}:changes`, 'no list'))
    await expect(store.changesAfter(0, 1)).rejects.toMatchObject({ code: 'DAMAGED' })
  })

  it.each(['koi', 'other', 'koi_', 'koi_A', 'koi_}x', `koi_${'x'.repeat(60)}`])(
    '%s is no name for it',
    async (name) => {
      await expect(openRedisStore({ url, namespace: name })).rejects.toThrow(RangeError)
    },
  )

  it('of one node is nothing to another’s', async () => {
    const [one, other] = [await open(namespaces()), await open(namespaces())]
    await one.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    expect(await takeLane(other, 1000)).toBeUndefined()
    expect(await other.inboxState()).toMatchObject({ pending: 0 })
  })

  it('goes by the server’s clock when no other is given', async () => {
    const store = await open(namespaces())
    const serverNow = async () => {
      const [seconds, micros] = await asked((redis) => redis.time())
      return Number(seconds) * 1000 + Number(micros) / 1000
    }
    const before = Math.floor(await serverNow())
    await store.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    const after = await serverNow()
    const lease = (await takeLane(store, 60_000))!
    const { acceptedAt, manifest } = (await store.nextArrival(lease))!
    expect([before <= acceptedAt, acceptedAt <= after]).toEqual([true, true])
    const stamped = Number(parseTimestamp(manifest!.timestamp)) / 1000
    expect([before <= stamped, stamped <= after]).toEqual([true, true])
  })

  it('stamps as this library writes timestamps, on any day', async () => {
    const lua = `${ARRIVAL_FUNCTIONS}
      local texts = {}
      for index, micros in ipairs(ARGV) do texts[index] = timestamp_of(tonumber(micros)) end
      return texts`
    const second = fc.oneof(fc.integer({ min: 0, max: 4e9 }), fc.constantFrom(951_782_399, 951_782_400, 4_107_542_399))
    const moment = fc.tuple(second, fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999 })))
    await asked((redis) =>
      fc.assert(
        fc.asyncProperty(fc.array(moment, { minLength: 1, maxLength: 200 }), async (moments) => {
          const micros = moments.map(([seconds, fraction]) => seconds * 1_000_000 + fraction)
          expect(await redis.eval(lua, 0, ...micros)).toEqual(micros.map((value) => formatTimestamp(BigInt(value))))
        }),
      ),
    )
  })

  it('makes events as this library does, whatever their RIDs hold', async () => {
    const store = await open(namespaces())
    const rids = ['/a"b\\c/', '\b\f\n\r\t\u0001\u001f\u007f', 'é\u2028🜁 %25"'].flatMap((reference) =>
      ['orn:t.a', 'orn:koi-net.x'].map((type) => asRid(`${type}:${reference}`)),
    )
    const expected: (string | undefined)[] = []
    for (const rid of rids) {
      await put(store, rid, { rid }, [PEER])
      const { bundle } = (await store.read(rid))!
      expected.push(textToSend(rid, 'NEW', storedBundle(bundle.manifest.text, bundle.contents.text)))
    }
    const take = () => store.takeDeliveries(PEER, { owner: 'd', leaseMs: 60_000, limit: 0 })
    const batch = (await take())!
    expect(batch.rids).toEqual(rids)
    expect(batch.eventTexts).toEqual(expected)
    await store.deliveriesDone(batch)
    for (const rid of rids) {
      await store.accept([{ rid, eventType: 'FORGET' }])
      const lease = (await takeLane(store, 60_000))!
      const { place } = (await store.nextArrival(lease))!
      await store.settle(lease, place, { kind: 'forget' }, { targets: [PEER], asOf: 1e9 }, NO_EMISSIONS)
    }
    expect((await take())!.eventTexts).toEqual(rids.map((rid) => textToSend(rid, 'FORGET', undefined)))
  })

  it('keeps what was overtaken for ten thousand changes, and what is gone for a week at least', async () => {
    const namespace = namespaces()
    let now = Date.UTC(2026, 0, 1)
    const store = await open(namespace, () => now)
    const log = async () => (await store.changesAfter(0, 100)).map(({ eventType, rid }) => `${eventType} ${rid.at(-1)}`)
    const rid = (name: string) => asRid(`orn:t.a:${name}`)
    await put(store, rid('a'), { v: 1 })
    await put(store, rid('b'), { v: 1 })
    await put(store, rid('a'), { v: 2 })
    await forget(store, rid('a'))
    now += 8 * 24 * 3_600_000
    await put(store, rid('c'), { v: 1 })
    expect(await log()).toEqual(['NEW a', 'NEW b', 'NEW a', 'FORGET a', 'NEW c'])
    const skip = () => asked((redis) => redis.hincrby(`{${namespace}}:node`, 'seq', 10_000))
    await skip()
    await put(store, rid('d'), { v: 1 })
    expect(await log()).toEqual(['NEW b', 'NEW c', 'NEW d'])
    await forget(store, rid('b'))
    await put(store, rid('b'), { v: 2 })
    await skip()
    now += 8 * 24 * 3_600_000
    await put(store, rid('e'), { v: 1 })
    expect(await log()).toEqual(['NEW c', 'NEW d', 'NEW b', 'NEW e'])
  })

  it('has room for the words of any document, and for ten thousand arrivals at once', async () => {
    const store = await open(namespaces())
    const words = Array.from({ length: 9_000 }, (_, index) => `w${index}`).join(' ')
    await put(store, RID, { text: `needle ${words}` })
    await put(store, RID, { text: `${words} needle` })
    expect((await store.search('needle w5')).hits.map(({ rid }) => rid)).toEqual([RID])
    await forget(store, RID)
    expect((await store.search('w')).total).toBe(0)
    const arrivals = Array.from({ length: 10_000 }, (_, index) => {
      const rid = asRid(`orn:t.a:${index}`)
      return {
        rid,
        eventType: 'NEW' as const,
        source: PEER,
        ...generateBundle(rid, contentsOf({ index }), '2026-01-01T00:00:00Z'),
      }
    })
    expect((await store.accept(arrivals)).places).toHaveLength(10_000)
    expect((await store.inboxState()).pending).toBe(10_000)
  })
})
