import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { NO_EMISSIONS, silentLogger, StoreError } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { PostgresServer } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { binaries, sql, testSchemas, takeLane, url } from './test-schemas.ts'

const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)

function arrivalOf(reference: string) {
  const rid = asRid(`orn:data-catalog.dataset:${reference}`)
  const bundle = generateBundle(rid, contentsOf({ reference }), '2026-01-01T00:00:00Z')
  return { rid, eventType: 'NEW' as const, source: PEER, ...bundle }
}

const stores: NodeStore[] = []
afterEach(async () => {
  await Promise.all(stores.splice(0).map((store) => store.close()))
})

async function open(schema: string, server = url): Promise<NodeStore> {
  const store = await openPostgresStore({ url: server, schema })
  stores.push(store)
  return store
}

/** Tries again while the server is away. */
async function eventually<T>(work: () => Promise<T>): Promise<T> {
  const until = performance.now() + 50_000
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreError) || performance.now() > until) throw error
      await sleep(50)
    }
  }
}

describe.skipIf(url === '')('connections', () => {
  const schemas = testSchemas()
  const connectionsOf = (schema: string) =>
    sql<{ pid: number }>('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [schema])
  const kill = (schema: string) =>
    sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name IN ($1, $2)', [
      schema,
      `${schema} wakes`,
    ])

  it('that are killed in the middle of a step leave nothing of it behind, and others take their place', async () => {
    const schema = schemas()
    const store = await open(schema)
    await store.accept([arrivalOf('a')])
    const lease = (await takeLane(store, 60_000))!
    const { place, manifest, contents } = (await store.nextArrival(lease))!
    const change = {
      kind: 'write',
      normalizedEventType: 'NEW',
      bundle: { manifest: manifest!, contents: contents! },
    } as const
    // Whoever wants to write the emitted arrival waits here, with the change of the cache made already.
    await sql(`CREATE FUNCTION "${schema}".wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$;
      CREATE TRIGGER wait BEFORE INSERT ON "${schema}".inbox FOR EACH ROW EXECUTE FUNCTION "${schema}".wait()`)
    const applied = store.apply(lease, place, change, { arrivals: [arrivalOf('b')], sends: [] })
    const refused = expect(applied).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const waiting = () =>
      sql(`SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event = 'PgSleep'`, [schema])
    while ((await waiting()).length === 0) await sleep(10)
    await kill(schema)
    await refused
    await sql(`DROP TRIGGER wait ON "${schema}".inbox`)
    expect(await store.listRids()).toEqual([])
    expect(await store.changesAfter(0, 10)).toEqual([])
    expect((await store.nextArrival(lease))?.phase).toBe('received')
    await store.apply(lease, place, change, { arrivals: [arrivalOf('b')], sends: [] })
    expect((await store.inboxState()).pending).toBe(2)
  })

  it('that are killed while nobody uses them are not noticed by the next step', async () => {
    const schema = schemas()
    let lost = 0
    const log = { ...silentLogger, warn: () => void lost++ }
    const store = await openPostgresStore({ url, schema, log })
    stores.push(store)
    await Promise.all(['a', 'b', 'c'].map((reference) => store.accept([arrivalOf(reference)])))
    const { length: idle } = await connectionsOf(schema)
    await kill(schema)
    // And the one that listens.
    while (lost < idle + 1) await sleep(5)
    expect((await store.inboxState()).pending).toBe(3)
  })

  it('hear of other replicas again after the one that listens was lost, and look for what they missed', async () => {
    const schema = schemas()
    const [one, other] = [await open(schema), await open(schema)]
    const wakes: object[] = []
    other.onWake((wake) => wakes.push({ ...wake }))
    await kill(schema)
    while (wakes.length === 0) await sleep(20)
    expect(wakes[0]).toEqual({ changes: true, inbox: true, outbox: true })
    wakes.length = 0
    await eventually(() => one.accept([arrivalOf('a')]))
    while (wakes.length === 0) await sleep(10)
    expect(wakes[0]).toEqual({ changes: false, inbox: true, outbox: false })
  })

  it('are bounded: what is asked beyond waits its turn', async () => {
    const schema = schemas()
    const store = await openPostgresStore({ url, schema, connections: 2 })
    stores.push(store)
    const many = Array.from({ length: 50 }, (_, index) => store.accept([arrivalOf(`${index}`)]))
    expect((await connectionsOf(schema)).length).toBeLessThanOrEqual(2)
    expect((await Promise.all(many)).length).toBe(50)
  })

  it('wait for the disk even where the server was told not to', async () => {
    const schema = schemas()
    const [database] = await sql<{ name: string }>('SELECT current_database() AS name')
    await sql(`ALTER DATABASE "${database?.name}" SET synchronous_commit = off`)
    try {
      const store = await open(schema)
      await sql(`CREATE FUNCTION "${schema}".tell() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN RAISE EXCEPTION 'synchronous_commit is %', current_setting('synchronous_commit'); END $$;
        CREATE TRIGGER tell BEFORE INSERT ON "${schema}".inbox FOR EACH ROW EXECUTE FUNCTION "${schema}".tell()`)
      await expect(store.accept([arrivalOf('a')])).rejects.toThrow('synchronous_commit is on')
    } finally {
      await sql(`ALTER DATABASE "${database?.name}" RESET synchronous_commit`)
    }
  })

  it('are of a user whose password no message shows', async () => {
    const refused = openPostgresStore({ url: 'postgres://koi:geheim@127.0.0.1:1/koi', schema: 'koi_x' })
    await expect(refused).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1/koi'),
    })
    await expect(refused).rejects.not.toThrow('geheim')
  })
})

describe.skipIf(binaries === '')('a server of its own', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await PostgresServer.start(binaries)
  })
  afterAll(() => server?.remove())

  it('that crashes and starts again has all that was acknowledged; steps fail meanwhile, and work after', async () => {
    const store = await open('koi_crash', server.url)
    const acknowledged: string[] = []
    let crashed = false
    const feed = async (feeder: number) => {
      for (let count = 0; !crashed; count++) {
        const reference = `${feeder}-${count}`
        try {
          await store.accept([arrivalOf(reference)])
          acknowledged.push(reference)
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' })
          crashed = true
        }
      }
    }
    const feeders = [0, 1, 2, 3].map(feed)
    while (acknowledged.length < 40) await sleep(5)
    await server.stop('immediate')
    await Promise.all(feeders)
    for (const step of [() => store.listRids(), () => takeLane(store, 1000), () => store.accept([arrivalOf('x')])]) {
      await expect(step()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('server') })
    }
    await server.startAgain()
    const found = new Set<string>()
    for (let lease = await eventually(() => takeLane(store, 60_000)); lease; lease = await takeLane(store, 60_000)) {
      const arrival = (await store.nextArrival(lease))!
      found.add(arrival.contents!.value['reference'] as string)
      await store.finish(lease, arrival.place, NO_EMISSIONS)
    }
    // What was asked for in the moment of the crash may be there too.
    expect(acknowledged.filter((reference) => !found.has(reference))).toEqual([])
    expect(found.size).toBeLessThanOrEqual(acknowledged.length + 4)
  })

  it('that is shut down and started again wakes those who wait for it', async () => {
    const store = await open('koi_restart', server.url)
    const wakes: object[] = []
    store.onWake((wake) => wakes.push({ ...wake }))
    await server.stop('fast')
    await expect(store.setValue('k', 'v')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(openPostgresStore({ url: server.url, schema: 'koi_late', log: silentLogger })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    await server.startAgain()
    while (wakes.length === 0) await sleep(20)
    await eventually(() => store.setValue('k', 'v'))
    expect(await store.getValue('k')).toBe('v')
  })

  it('without syncs is refused, unless the operator chose so', async () => {
    await sql('ALTER SYSTEM SET fsync = off', [], server.url)
    await sql('SELECT pg_reload_conf()', [], server.url)
    const fsync = async () => (await sql<{ fsync: string }>('SHOW fsync', [], server.url))[0]?.fsync
    while ((await fsync()) === 'on') await sleep(10)
    await expect(open('koi_nosync', server.url)).rejects.toThrow('turn fsync on, or choose durability normal')
    stores.push(await openPostgresStore({ url: server.url, schema: 'koi_nosync', durability: 'normal' }))
  })

  it('in another encoding is refused', async () => {
    await sql(`CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0`, [], server.url)
    const latin = server.url.replace('/postgres?', '/latin?')
    await expect(open('koi_latin', latin)).rejects.toThrow(
      "is in LATIN1 encoding: make the database with ENCODING 'UTF8'",
    )
    await expect(open('koi_none', server.url.replace('/postgres?', '/none?'))).rejects.toThrow('create the database')
  })
})
