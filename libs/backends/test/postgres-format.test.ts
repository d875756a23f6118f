import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { asRid, contentsOf, parseTimestamp } from '@koi-mcp/protocol'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { PostgresConnections } from '../src/postgres/postgres-connections.ts'
import { migrate, MIGRATIONS } from '../src/postgres/postgres-format.ts'
import { sql, testSchemas, takeLane, url } from './test-schemas.ts'

const RID = asRid('orn:data-catalog.dataset:a')
const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)

describe.skipIf(url === '')('the schema', () => {
  const schemas = testSchemas()
  const stores: NodeStore[] = []
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
  })
  const open = async (schema: string) => {
    const store = await openPostgresStore({ url, schema })
    stores.push(store)
    return store
  }
  const formatOf = async (schema: string) => (await sql(`SELECT version, oldest FROM "${schema}".koi_format`))[0]
  /** Brings a schema to a format of a release to come. */
  const migrateTo = async (schema: string, step: { sql: string; oldest: number }) => {
    const db = new PostgresConnections({ url, schema, log: silentLogger, connections: 1, durability: 'full' })
    await migrate(db, schema, [...MIGRATIONS, step]).finally(() => db.close())
  }

  it('is made once by replicas that start at the same time', async () => {
    const schema = schemas()
    const opened = await Promise.all([1, 2, 3, 4].map(() => open(schema)))
    await Promise.all(opened.map((store, index) => store.setValue(`k${index}`, 'v')))
    expect((await opened[0]!.listValues('k')).size).toBe(4)
    expect(await formatOf(schema)).toEqual({ version: MIGRATIONS.length, oldest: 1 })
  })

  it('may be there already, and empty', async () => {
    const schema = schemas()
    await sql(`CREATE SCHEMA "${schema}"`)
    await (await open(schema)).setValue('k', 'v')
  })

  it('stays as it was when a step to a new format fails', async () => {
    const schema = schemas()
    await open(schema)
    const step = { sql: 'CREATE TABLE more (a int); SELECT 1 / 0', oldest: 1 }
    await expect(migrateTo(schema, step)).rejects.toThrow('division by zero')
    expect(await formatOf(schema)).toEqual({ version: MIGRATIONS.length, oldest: 1 })
    expect(await sql('SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [schema, 'more'])).toEqual([])
  })

  it('of format 1 is brought to this release’s while the release before works on beside it', async () => {
    const schema = schemas()
    const old = new PostgresConnections({ url, schema, log: silentLogger, connections: 2, durability: 'full' })
    try {
      await migrate(old, schema, MIGRATIONS.slice(0, 1))
      /** As the release before does: its functions, on connections that have prepared them before the change. */
      const step = async () => {
        const lanes = [[RID], [RID], ['NEW'], [PEER], [null], ['{"a":1}']]
        await old.get('SELECT places FROM accept_arrivals(NULL, NULL, NULL, $1, $2, $3, $4, $5, $6)', ...lanes)
        const taken = await old.get<{ token: number; place: number; contents: string }>(
          'SELECT token, (arrival).place, (arrival).contents FROM take_lanes(NULL, $1, 60000, 1)',
          'old',
        )
        expect(taken?.contents).toBe('{"a":1}')
        const lease = [null, RID, 'old', taken?.token, taken?.place]
        await old.get('SELECT retry_later($1, $2, $3, $4, $5, $6, 0, 1)', ...lease, 'once')
        await old.get(`SELECT dead_letter($1, $2, $3, $4, $5, $6, '{}', false, NULL)`, ...lease, 'twice')
        await old.get('SELECT release_lane($1, $2, $3)', RID, 'old', taken?.token)
        await old.get(`SELECT queue_change(NULL, $1, 'FORGET', $2, false, NULL)`, RID, [PEER])
        await old.get(`SELECT queue_texts(NULL, $1, $2, $3)`, [PEER], [RID], ['{"sent":1}'])
      }
      const told = async (store: NodeStore) => {
        const take = { owner: 'w', leaseMs: 1000, limit: 0, ignoreDue: true }
        const batch = (await store.takeDeliveries(PEER, take))!
        await store.deliveriesDone(batch)
        return batch.eventTexts
      }
      await step()
      const store = await open(schema)
      expect(await formatOf(schema)).toEqual({ version: MIGRATIONS.length, oldest: 1 })
      await step()
      const letters = await store.listDeadLetters()
      expect(letters).toMatchObject([
        { error: 'twice', attempts: 2, history: [] },
        { error: 'twice', attempts: 2, history: [] },
      ])
      await store.replayDeadLetter(letters[0]!.place)
      const lease = (await takeLane(store, 60_000))!
      const { place, ...arrival } = (await store.nextArrival(lease))!
      expect(arrival).toMatchObject({ phase: 'received', replayed: true, contents: { text: '{"a":1}' } })
      await store.finish(lease, place, { arrivals: [], sends: [] })
      await store.releaseLane(lease)
      const forget = `{"rid":"${RID}","event_type":"FORGET"}`
      expect(await told(store)).toEqual(['{"sent":1}', forget, '{"sent":1}'])
      await step()
      // The release before knows of no target that lapsed: what it queues for one is delivered all the same.
      expect(await store.lapseDeliveries(PEER, Date.now() + 60_000)).toBe(2)
      await step()
      expect(await told(store)).toEqual([forget, '{"sent":1}'])
      expect(await store.lapsedTargets()).toMatchObject([{ target: PEER, resumed: false }])
    } finally {
      await old.close()
    }
  })

  it('of a newer release is worked on as long as it was only expanded', async () => {
    const schema = schemas()
    const old = await open(schema)
    await migrateTo(schema, { sql: `ALTER TABLE inbox ADD COLUMN more text NOT NULL DEFAULT ''`, oldest: 1 })
    expect(await formatOf(schema)).toEqual({ version: MIGRATIONS.length + 1, oldest: 1 })
    await old.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    const restarted = await open(schema)
    const lease = (await takeLane(restarted, 60_000))!
    expect(await old.nextArrival(lease)).toMatchObject({ rid: RID })
  })

  it('of a newer release that contracted it is refused, and left as it was', async () => {
    const schema = schemas()
    await open(schema)
    await migrateTo(schema, { sql: 'DROP TABLE node_values', oldest: MIGRATIONS.length + 1 })
    await expect(open(schema)).rejects.toMatchObject({
      code: 'NEWER_FORMAT',
      message: expect.stringContaining(`format ${MIGRATIONS.length + 1}`),
    })
    expect(await formatOf(schema)).toEqual({ version: MIGRATIONS.length + 1, oldest: MIGRATIONS.length + 1 })
  })

  it('that holds something else is refused, and left as it was', async () => {
    const schema = schemas()
    await sql(`CREATE SCHEMA "${schema}"; CREATE TABLE "${schema}".theirs (a int)`)
    await expect(open(schema)).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringContaining('another schema'),
    })
    const tables = await sql<{ tablename: string }>('SELECT tablename FROM pg_tables WHERE schemaname = $1', [schema])
    expect(tables).toEqual([{ tablename: 'theirs' }])
  })

  it.each(['koi', 'other', 'koi_', 'koi_A', 'koi_"; DROP', `koi_${'x'.repeat(60)}`])(
    '%s is no name for it',
    async (schema) => {
      await expect(openPostgresStore({ url, schema })).rejects.toThrow(RangeError)
    },
  )

  it('of one node is nothing to another’s', async () => {
    const [one, other] = [await open(schemas()), await open(schemas())]
    await one.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    expect(await takeLane(other, 1000)).toBeUndefined()
    expect(await other.inboxState()).toMatchObject({ pending: 0 })
  })

  it('goes by the server’s clock when no other is given', async () => {
    const store = await open(schemas())
    const serverNow = async () =>
      Number((await sql<{ ms: string }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS ms'))[0]?.ms)
    const before = Math.floor(await serverNow())
    await store.accept([{ rid: RID, contents: contentsOf({ a: 1 }) }])
    const after = await serverNow()
    const lease = (await takeLane(store, 60_000))!
    const { acceptedAt, manifest } = (await store.nextArrival(lease))!
    expect([before <= acceptedAt, acceptedAt <= after]).toEqual([true, true])
    const stamped = Number(parseTimestamp(manifest!.timestamp)) / 1000
    expect([before <= stamped, stamped <= after]).toEqual([true, true])
    const short = takeLane(await open(schemas()), 1)
    expect(await short).toBeUndefined()
  })

  it('takes no text with a NUL, but any error that has one', async () => {
    const store = await open(schemas())
    await expect(store.read('orn:t:a\u0000b' as typeof RID)).rejects.toThrow('NUL')
    await store.accept([{ rid: RID, contents: contentsOf({ a: '\u0000' }) }])
    const lease = (await takeLane(store, 60_000))!
    const { place, contents } = (await store.nextArrival(lease))!
    expect(contents?.value).toEqual({ a: '\u0000' })
    await store.deadLetter(lease, place, 'a\u0000b', { arrivals: [], sends: [] })
    expect((await store.listDeadLetters())[0]?.error).toBe('a\ufffdb')
  })

  it('has room for the words of any document', async () => {
    const store = await open(schemas())
    // As many words as are looked at, of the letters that take most bytes; and letters of which each becomes three when it is folded.
    const long = Array.from({ length: 4000 }, (_, index) => '𞤢'.repeat(58) + String(index).padStart(6, '0'))
    const grown = Array.from({ length: 10_000 }, (_, index) => 'ﵐ'.repeat(20) + String(index).padStart(4, '0'))
    for (const words of [long, grown]) {
      const text = words.join(' ')
      await store.accept([{ rid: RID, contents: contentsOf({ text: `needle ${text}` }) }])
      const lease = (await takeLane(store, 60_000))!
      const { place, manifest, contents } = (await store.nextArrival(lease))!
      const bundle = { manifest: manifest!, contents: contents! }
      await store.apply(
        lease,
        place,
        { kind: 'write', normalizedEventType: 'NEW', bundle },
        { arrivals: [], sends: [] },
      )
      expect((await store.search('needle')).hits.map(({ rid }) => rid)).toEqual([RID])
      await store.finish(lease, place, { arrivals: [], sends: [] })
      await store.releaseLane(lease)
    }
  })
})
