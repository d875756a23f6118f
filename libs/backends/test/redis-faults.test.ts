import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { NO_EMISSIONS } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { asRid, contentsOf, generateBundle } from '@koi-mcp/protocol'
import { RedisServer } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { eventually } from './eventually.ts'
import { takeLane } from './test-schemas.ts'
import { asked, program, testNamespaces, url } from './test-namespaces.ts'

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

async function open(namespace: string, server = url): Promise<NodeStore> {
  const store = await openRedisStore({ url: server, namespace })
  stores.push(store)
  return store
}

/** Feeds from several sides until one is refused; answers what was acknowledged. */
function feed(store: NodeStore): { readonly acknowledged: string[]; readonly over: Promise<unknown> } {
  const acknowledged: string[] = []
  let refused = false
  const feeders = [0, 1, 2, 3].map(async (feeder) => {
    for (let count = 0; !refused; count++) {
      const reference = `${feeder}-${count}`
      try {
        await store.accept([arrivalOf(reference)])
        acknowledged.push(reference)
      } catch (error) {
        expect(error).toMatchObject({ code: 'UNAVAILABLE' })
        refused = true
      }
    }
  })
  return { acknowledged, over: Promise.all(feeders) }
}

/** What waits in the store, each as often as it is there. */
async function found(store: NodeStore): Promise<string[]> {
  const references: string[] = []
  for (let lease = await eventually(() => takeLane(store, 60_000)); lease; lease = await takeLane(store, 60_000)) {
    for (let arrival = await store.nextArrival(lease); arrival; arrival = await store.nextArrival(lease)) {
      references.push(arrival.contents!.value['reference'] as string)
      await store.finish(lease, arrival.place, NO_EMISSIONS)
    }
    await store.releaseLane(lease)
  }
  return references
}

describe.skipIf(url === '')('connections', () => {
  const namespaces = testNamespaces()
  const kill = (namespace: string) =>
    asked(async (redis) => {
      for (const line of String(await redis.client('LIST')).split('\n')) {
        const [, id = ''] = /^id=(\d+)/.exec(line) ?? []
        if (line.includes(`name=${namespace}`)) await redis.client('KILL', 'ID', id)
      }
    })

  it('that are killed leave each step done once or not at all, and others take their place', async () => {
    const namespace = namespaces()
    const store = await open(namespace)
    const acknowledged: string[] = []
    const failed: string[] = []
    for (let round = 0; round < 10; round++) {
      const { acknowledged: fed, over } = feed(store)
      await sleep(Math.random() * 20)
      await kill(namespace)
      await over
      acknowledged.push(...fed.map((reference) => `${round} ${reference}`))
      await eventually(() => store.inboxState())
      const there = await found(store)
      expect(new Set(there).size).toBe(there.length)
      expect(fed.filter((reference) => !there.includes(reference))).toEqual([])
      failed.push(...there.filter((reference) => !fed.includes(reference)))
      expect(there.length).toBeLessThanOrEqual(fed.length + 4)
    }
    expect(acknowledged.length).toBeGreaterThan(10)
  })

  it('hear of other replicas again after the one that listens was lost, and look for what they missed', async () => {
    const namespace = namespaces()
    const [one, other] = [await open(namespace), await open(namespace)]
    const wakes: object[] = []
    other.onWake((wake) => wakes.push({ ...wake }))
    await kill(namespace)
    while (wakes.length === 0) await sleep(20)
    expect(wakes[0]).toEqual({ changes: true, inbox: true, outbox: true })
    wakes.length = 0
    await eventually(() => one.accept([arrivalOf('a')]))
    while (wakes.length === 0) await sleep(10)
    expect(wakes[0]).toEqual({ changes: false, inbox: true, outbox: false })
  })

  it('find their scripts again where the server has lost them', async () => {
    const store = await open(namespaces())
    await store.accept([arrivalOf('a')])
    await asked((redis) => redis.script('FLUSH'))
    await Promise.all(['b', 'c', 'd'].map((reference) => store.accept([arrivalOf(reference)])))
    expect(await found(store)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are of a user whose password no message shows', async () => {
    const refused = openRedisStore({ url: 'redis://koi:geheim@127.0.0.1:1', namespace: 'koi_x' })
    await expect(refused).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('127.0.0.1:1'),
    })
    await expect(refused).rejects.not.toThrow('geheim')
  })

  it('write nothing late of a process that was stopped for longer than its leases', async () => {
    const namespace = namespaces()
    const store = await open(namespace)
    await store.accept([arrivalOf('a')])
    const file = fileURLToPath(new URL('late-replica.ts', import.meta.url))
    const args = ['--conditions=@koi-mcp/source', file, url, namespace, '300']
    const late = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    const exit = once(late, 'exit')
    try {
      const lines = createInterface({ input: late.stdout })[Symbol.asyncIterator]()
      expect((await lines.next()).value).toBe('taken')
      late.kill('SIGSTOP')
      let lease = await takeLane(store, 60_000)
      for (; lease === undefined; lease = await takeLane(store, 60_000)) await sleep(20)
      while ((await store.takeLease('work', 'next', 60_000)) === undefined) await sleep(20)
      late.kill('SIGCONT')
      late.stdin.write('now\n')
      expect((await lines.next()).value).toBe('LEASE_LOST LEASE_LOST')
      const arrival = (await store.nextArrival(lease))!
      await store.finish(lease, arrival.place, NO_EMISSIONS)
      expect(await store.inboxState()).toMatchObject({ pending: 0 })
    } finally {
      late.kill('SIGKILL')
      await exit
    }
  })
})

describe.skipIf(program === '')('a server of its own', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start(program)
  })
  afterAll(() => server?.remove())

  it('that is killed and starts again has all that was acknowledged; steps fail meanwhile, and work after', async () => {
    const store = await open('koi_crash', server.url)
    const { acknowledged, over } = feed(store)
    while (acknowledged.length < 40) await sleep(5)
    await server.signal('KILL')
    await over
    for (const step of [() => store.listRids(), () => takeLane(store, 1000), () => store.accept([arrivalOf('x')])]) {
      await expect(step()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('server') })
    }
    await server.startAgain()
    const there = await found(store)
    // What was asked for in the moment of the crash may be there too.
    expect(acknowledged.filter((reference) => !there.includes(reference))).toEqual([])
    expect(there.length).toBeLessThanOrEqual(acknowledged.length + 4)
    expect(new Set(there).size).toBe(there.length)
  })

  it('that is killed among steps of all kinds has each of them whole', async () => {
    const store = await open('koi_whole', server.url)
    let away = false
    const work = async (worker: number) => {
      for (let count = 0; !away; count++) {
        try {
          await store.accept([arrivalOf(`${worker}-${count % 7}`)])
          for (const { lease, first } of await store.takeLanes(`w${worker}`, 60_000, 1)) {
            const bundle = { manifest: first.manifest!, contents: first.contents! }
            const change =
              count % 3 === 0
                ? ({ kind: 'forget' } as const)
                : ({ kind: 'write', normalizedEventType: 'NEW', bundle } as const)
            const announcement = { targets: [PEER], asOf: 1e9 }
            const settled = await store.settle(lease, first.place, change, announcement, NO_EMISSIONS)
            if (settled?.more === true) await store.releaseLane(lease)
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'UNAVAILABLE' })
          away = true
        }
      }
    }
    for (let round = 0; round < 5; round++) {
      away = false
      const workers = [0, 1, 2, 3].map(work)
      await sleep(50 + Math.random() * 100)
      await server.signal('KILL')
      await Promise.all(workers)
      await server.startAgain()
      await eventually(() => store.inboxState())
      // The cache, its last changes, the search index and what is announced say the same.
      const cached = await store.listRids()
      const last = new Map((await store.changesAfter(0, 100_000)).map(({ rid, eventType }) => [rid, eventType]))
      expect([...last].flatMap(([rid, eventType]) => (eventType === 'FORGET' ? [] : [rid])).sort()).toEqual(cached)
      expect((await store.search('dataset', { limit: 1000 })).hits.map(({ rid }) => rid).sort()).toEqual(cached)
      const batch = (await store.takeDeliveries(PEER, { owner: 'd', leaseMs: 60_000, limit: 0 }))!
      const told = new Map(batch.rids.map((rid, index) => [rid, batch.eventTexts[index]!.includes('FORGET')]))
      expect([...told].flatMap(([rid, forgotten]) => (forgotten ? [] : [rid])).sort()).toEqual(cached)
      expect([...last.keys()].filter((rid) => !told.has(rid))).toEqual([])
      await store.deliveriesFailed(batch, { error: 'again', dueAt: 0 })
    }
  })

  it('that is shut down and started again wakes those who wait for it', async () => {
    const store = await open('koi_restart', server.url)
    const wakes: object[] = []
    store.onWake((wake) => wakes.push({ ...wake }))
    await server.signal('TERM')
    await expect(store.setValue('k', 'v')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(openRedisStore({ url: server.url, namespace: 'koi_late' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
    await server.startAgain()
    while (wakes.length === 0) await sleep(20)
    await eventually(() => store.setValue('k', 'v'))
    expect(await store.getValue('k')).toBe('v')
  })

  it('that says nothing any more is given up after some time, and found again', async () => {
    const store = await open('koi_deaf', server.url)
    await store.setValue('before', 'v')
    await server.signal('STOP')
    const asked = [store.accept([arrivalOf('a')]), store.getValue('before')]
    for (const step of asked) await expect(step).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(store.accept([arrivalOf('b')])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await server.signal('CONT')
    expect(await eventually(() => store.getValue('before'))).toBe('v')
    // Whether it was done, nobody knows who asked; but not twice, and not what came after.
    expect(['', 'a']).toContain((await found(store)).join())
  })

  it('without memory refuses whole steps, and goes on when it has some', async () => {
    const store = await open('koi_oom', server.url)
    await store.accept([arrivalOf('a')])
    await asked((redis) => redis.config('SET', 'maxmemory', '1'), server.url)
    try {
      const full = { code: 'FULL', message: expect.stringContaining('maxmemory') }
      await expect(store.accept([arrivalOf('b')])).rejects.toMatchObject(full)
      await expect(store.setValue('k', 'v')).rejects.toMatchObject(full)
      expect(await store.inboxState()).toMatchObject({ pending: 1 })
    } finally {
      await asked((redis) => redis.config('SET', 'maxmemory', '0'), server.url)
    }
    await store.accept([arrivalOf('c')])
    expect(await found(store)).toEqual(['a', 'c'])
  })

  it('keeps all of a node under its hash tag', async () => {
    const keys = await asked((redis) => redis.keys('*'), server.url)
    expect(keys.filter((key) => !/^\{koi_[a-z]+\}:/.test(key))).toEqual([])
    expect(keys.length).toBeGreaterThan(10)
  })

  it('that is flushed says so to whoever reads or writes, and begins anew with a node that is started again', async () => {
    const store = await open('koi_flushed', server.url)
    await store.setValue('k', 'v')
    await asked((redis) => redis.flushall(), server.url)
    const gone = { code: 'DAMAGED', message: expect.stringContaining('lost its data') }
    for (const step of [
      () => store.getValue('k'),
      () => store.listRids(),
      () => takeLane(store, 1000),
      () => store.accept([arrivalOf('a')]),
    ]) {
      await expect(step()).rejects.toMatchObject(gone)
    }
    const anew = await open('koi_flushed', server.url)
    await anew.accept([arrivalOf('b')])
    await expect(store.inboxState()).rejects.toMatchObject(gone)
    expect(await found(anew)).toEqual(['b'])
  })
})
