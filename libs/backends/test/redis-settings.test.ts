import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { RedisServer } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import type { RedisStoreOptions } from '../src/redis/open-redis-store.ts'
import { whyNot } from '../src/redis/redis-server-check.ts'
import { eventually } from './eventually.ts'
import { asked, program } from './test-namespaces.ts'

describe.skipIf(program === '')('a server', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start(program)
  })
  afterAll(() => server?.remove())

  const stores: NodeStore[] = []
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
  })
  const open = async (namespace: string, options: Partial<RedisStoreOptions> = {}) => {
    const store = await openRedisStore({ url: server.url, namespace, ...options })
    stores.push(store)
    return store
  }
  const config = (...setting: [name: string, value: string]) =>
    asked((redis) => redis.config('SET', ...setting), server.url)
  const dropConnections = () =>
    asked((redis) => redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'), server.url)

  it.each([
    ['appendfsync', 'everysec', 'always', 'set appendfsync always, or choose durability normal'],
    ['no-appendfsync-on-rewrite', 'yes', 'no', 'set it to no, or choose durability normal'],
    ['maxmemory-policy', 'allkeys-lru', 'noeviction', 'set maxmemory-policy noeviction'],
    ['appendonly', 'no', 'yes', 'set appendonly yes'],
  ])('with %s %s is refused, also when it comes back so', async (name, wrong, right, fix) => {
    const store = await open('koi_settings')
    await config(name, wrong)
    try {
      const refused = { code: 'UNAVAILABLE', message: expect.stringContaining(fix) }
      await expect(open('koi_settings')).rejects.toMatchObject(refused)
      await dropConnections()
      const error = async () => {
        for (;;) {
          const error = await store.setValue('k', 'v').then(
            () => undefined,
            (error: Error) => error,
          )
          if (error?.message.includes('set ') === true) return error
          await sleep(20)
        }
      }
      expect(await error()).toMatchObject(refused)
      const normal = open('koi_settings', { durability: 'normal' })
      if (fix.includes('durability')) expect(await (await normal).getValue('none')).toBeUndefined()
      else await expect(normal).rejects.toMatchObject(refused)
    } finally {
      await config(name, right)
    }
    await eventually(() => store.setValue('k', 'w'))
  })

  it('that shows nobody its settings is taken, with a warning', async () => {
    await asked((redis) => redis.acl('SETUSER', 'app', 'on', '>geheim', '~*', '&*', '+@all', '-config'), server.url)
    const warnings: unknown[] = []
    const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
    const withUser = server.url.replace('//', '//app:geheim@')
    await (await open('koi_acl', { url: withUser, log })).setValue('k', 'v')
    expect(warnings).toEqual([expect.stringContaining('(appendfsync) could not be checked')])
    const wrong = openRedisStore({ url: server.url.replace('//', '//app:falsch@'), namespace: 'koi_acl' })
    await expect(wrong).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('its password') })
    await asked((redis) => redis.acl('SETUSER', 'less', 'on', '>geheim', '~{koi_other}:*', '&*', '+@all'), server.url)
    const less = openRedisStore({ url: server.url.replace('//', '//less:geheim@'), namespace: 'koi_acl' })
    await expect(less).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('its rights') })
  })

  it('that waits for replicas it does not have is away, and so is a replica', async () => {
    const store = await open('koi_replicas')
    await config('min-replicas-to-write', '1')
    const missing = { code: 'UNAVAILABLE', message: expect.stringContaining('min-replicas-to-write') }
    await expect(store.setValue('k', 'v')).rejects.toMatchObject(missing)
    await config('min-replicas-to-write', '0')
    await asked((redis) => redis.replicaof('127.0.0.1', '1'), server.url)
    const primary = { code: 'UNAVAILABLE', message: expect.stringContaining('name the primary') }
    await expect(store.setValue('k', 'v')).rejects.toMatchObject(primary)
    await expect(open('koi_replicas')).rejects.toMatchObject(primary)
    await asked((redis) => redis.replicaof('NO', 'ONE'), server.url)
    await eventually(() => store.setValue('k', 'v'))
  })

  it('with appendfsync no is refused, whatever durability is asked for', async () => {
    await config('appendfsync', 'no')
    try {
      for (const durability of ['full', 'normal'] as const) {
        const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('appendfsync no): set appendfsync') }
        await expect(open('koi_settings', { durability })).rejects.toMatchObject(refused)
      }
    } finally {
      await config('appendfsync', 'always')
    }
  })

  it('of a cluster is refused', async () => {
    const port = String(20_000 + Math.floor(Math.random() * 10_000))
    const node = await RedisServer.start(program, ['--cluster-enabled', 'yes', '--port', port])
    try {
      const refused = { code: 'UNAVAILABLE', message: expect.stringContaining('name a server outside of one') }
      await expect(open('koi_cluster', { url: node.url })).rejects.toMatchObject(refused)
    } finally {
      await node.remove()
    }
  })

  it('of an older version is refused', async () => {
    const info = await asked((redis) => redis.info(), server.url)
    expect(whyNot(info)).toBeUndefined()
    expect(whyNot(info.replace(/redis_version:\S+/, 'redis_version:6.2.14'))).toMatch(/version 6.2.14: use Redis 7/)
  })
})
