import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { findPostgres, findRedis } from '@koi-mcp/testing'
import { eventually, isAlive, koiMcp, Network, place } from './koi-mcp.ts'
import type { Place, Running } from './koi-mcp.ts'
import { newerClient } from './mcp-clients.ts'

const PATH = process.env['PATH'] ?? ''
const haveServers = findRedis(PATH) !== undefined && findPostgres(PATH) !== undefined
const real = describe.skipIf(!haveServers && process.env['CI'] !== 'true')

const PLANETS = 'orn:data-catalog.dataset:data/planets.csv'
const ridOf = (name: string): string => `orn:data-catalog.dataset:published/${name}`
const LONG_MS = 300_000
/** `up` starts servers of its own, also where the tests are given some. */
const OWN = { REDIS_URL: '', DATABASE_URL: '' }

const publish = (network: Network, name: string): Promise<Response> =>
  fetch(`${network.service('producer').url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema: 'DatasetMetadata', object: { name, format: 'csv', location: `file:///${name}` } }),
  })

const pidsIn = ({ services, servers = {} }: Running): readonly number[] =>
  [...services.flatMap(({ pids }) => pids), ...Object.values(servers).flatMap(({ pid }) => pid ?? [])].sort()

real.each(['redis+postgres', 'redis'] as const)('koi-mcp up --backend %s --replicas 2', (backend) => {
  const up = (at: Place): Promise<Network> =>
    Network.up(at, { args: ['--backend', backend, '--replicas', '2'], env: OWN })

  test(
    'is one node of each role, whichever of its processes end, and knows the same after a stop',
    { timeout: 2 * LONG_MS },
    async () => {
      const at = await place()
      await writeFile(join(at.data, 'planets.csv'), 'name,moons\nEarth,1\nMars,2\n')
      const network = await up(at)
      expect(network.services.map(({ pids }) => pids.length)).toEqual([2, 2, 2])
      expect(Object.keys(network.servers).sort()).toEqual(backend.split('+').sort())
      expect(pidsIn(network).filter(isAlive)).toHaveLength(6 + backend.split('+').length)

      await network.catalogued([PLANETS], LONG_MS)
      expect((await publish(network, 'sales')).status).toBe(200)
      await network.catalogued([PLANETS, ridOf('sales')], LONG_MS)
      const client = await newerClient(network.mcpUrl)
      // Whichever process of the gateway has the request.
      for (let count = 0; count < 4; count += 1) {
        expect(await eventually(() => client.read(ridOf('sales')).catch(() => undefined), LONG_MS)).toContain('sales')
      }

      for (const role of ['producer', 'consumer'] as const) {
        const before = network.pidsOf(role)
        process.kill(before[0]!, 'SIGKILL')
        const after = await network.command.until(() => {
          const pids = network.pidsOf(role)
          return pids.length === 2 && pids[0] !== before[0] ? pids : undefined
        }, LONG_MS)
        expect(after[1]).toBe(before[1])
        expect(isAlive(after[0]!)).toBe(true)
      }
      for (const [name, { pid }] of Object.entries(network.servers)) {
        process.kill(pid!, 'SIGKILL')
        await network.command.until(() => {
          const now = network.replicas.servers?.[name]?.pid
          return now === undefined || now === pid ? undefined : now
        }, LONG_MS)
      }
      const isPublished = () => publish(network, 'late').then(({ ok }) => (ok ? true : undefined))
      await eventually(isPublished, LONG_MS)
      await network.catalogued([PLANETS, ridOf('sales'), ridOf('late')], LONG_MS)

      const last = network.replicas
      network.command.process.kill('SIGINT')
      expect(await network.command.exited).toEqual({ code: 0, signal: null })
      expect([...pidsIn(network), ...pidsIn(last)].filter(isAlive)).toEqual([])

      const again = await up(at)
      expect(again.services.map(({ node_rid }) => node_rid)).toEqual(network.services.map(({ node_rid }) => node_rid))
      await again.catalogued([PLANETS, ridOf('sales'), ridOf('late')], LONG_MS)
    },
  )

  test('restarts every process on SIGUSR2 under load, and no request fails', { timeout: 2 * LONG_MS }, async () => {
    const at = await place()
    await writeFile(join(at.data, 'planets.csv'), 'name,moons\nEarth,1\n')
    const network = await up(at)
    await network.catalogued([PLANETS], LONG_MS)
    const client = await newerClient(network.mcpUrl)
    const published: string[] = []
    const failed: unknown[] = []
    let count = 0
    let isEnough = false
    const load = async (call: () => Promise<unknown>): Promise<void> => {
      while (!isEnough) {
        await call().catch((error: unknown) => failed.push(error))
        await wait(100)
      }
    }
    const loads = [
      load(async () => {
        const name = `number_${published.length}`
        const response = await publish(network, name)
        if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`)
        published.push(name)
      }),
      load(async () => {
        await client.read(PLANETS)
        count += 1
      }),
      load(() => network.rids('orn:data-catalog.dataset', 'coordinator')),
    ]
    await eventually(() => (count > 0 && published.length > 0 ? true : undefined), LONG_MS)
    const before = pidsIn(network.replicas)
    network.command.process.kill('SIGUSR2')
    await network.command.until(
      () =>
        network.command.err.find((line) => line === 'Restarted every replica.' || line.includes('the restart ended')),
      LONG_MS,
    )
    isEnough = true
    await Promise.all(loads)
    expect(failed).toEqual([])
    expect(network.command.err).toContain('Restarted every replica.')
    const servers = Object.values(network.servers).map(({ pid }) => pid)
    expect(before.filter(isAlive)).toEqual(servers.sort())
    expect(network.replicas.services.map(({ pids }) => pids.length)).toEqual([2, 2, 2])
    await network.catalogued([PLANETS, ...published.map(ridOf)], LONG_MS)
  })
})

test('without the servers it says what to install, and without --backend that replicas need one', async () => {
  const at = await place()
  const args = ['up', '--port', '0', '--data', at.data, '--state', at.state]
  const missing = await koiMcp([...args, '--backend', 'redis'], { env: { ...OWN, PATH: '/nowhere' } })
  expect(missing.code).toBe(1)
  expect(missing.err.join('\n')).toContain(
    'koi-mcp: Redis is not installed: there is no redis-server on the PATH. Install it',
  )
  const single = await koiMcp([...args, '--replicas', '2'])
  expect(single.code).toBe(1)
  expect(single.err.join('\n')).toContain('Choose where the replicas share theirs: --backend redis+postgres')
})

real('koi-mcp up on servers of its own', () => {
  test(
    'killed with -9, it takes them with it, and the next start finds their data',
    { timeout: 2 * LONG_MS },
    async () => {
      const at = await place()
      const args = ['--backend', 'redis+postgres', '--replicas', '1']
      const network = await Network.up(at, { args, env: OWN })
      expect((await publish(network, 'sales')).status).toBe(200)
      network.command.process.kill('SIGKILL')
      const again = await Network.up(at, { args, env: OWN })
      expect(pidsIn(network).filter(isAlive)).toEqual([])
      await again.catalogued([ridOf('sales')], LONG_MS)
    },
  )
})
