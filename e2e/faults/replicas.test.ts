import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { findPostgres, findRedis, PostgresServer, RedisServer } from '@koi-mcp/testing'
import { eventually, isAlive, Network, place } from '../koi-mcp.ts'
import { differences, Load, statusOf } from './load.ts'

const ROLES = ['coordinator', 'producer', 'consumer'] as const
const MINUTE = 60_000
const SETTLED_MS = 3 * MINUTE
const AWAY_MS = 20_000
/** Longer than the lease of a lane. */
const BEYOND_A_LEASE_MS = 35_000

/** Takes everything out of it. */
async function flush({ url }: RedisServer): Promise<void> {
  const socket = connect(new URL(url).searchParams.get('path')!)
  socket.end('FLUSHALL\r\n')
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(String(answer)).toBe('+OK\r\n')
}

const PATH = process.env['PATH'] ?? ''
const binaries = findPostgres(PATH)
const program = findRedis(PATH)

describe.skipIf(binaries === undefined || program === undefined)('a network of several processes of each node', () => {
  let postgres: PostgresServer
  let redis: RedisServer
  beforeEach(async () => {
    postgres = await PostgresServer.start(binaries!)
    redis = await RedisServer.start(program!)
    return () => Promise.all([postgres.remove(), redis.remove()])
  })

  const up = async (replicas: number): Promise<Network> =>
    Network.up(await place(), {
      args: ['--backend', 'redis+postgres', '--replicas', String(replicas)],
      env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
    })

  /** Resolves when every node holds what was acknowledged, and nothing waits or was given up. */
  const agree = async (network: Network, held: ReadonlyMap<string, string>): Promise<number> => {
    const since = performance.now()
    let last: readonly unknown[] = []
    const look = async () => {
      const found = await Promise.all(
        ROLES.map(async (role) => {
          const { queues } = await statusOf(network, role)
          const waiting = queues.inbox.pending === 0 ? [] : [`${role}: ${queues.inbox.pending} pending`]
          const given = queues.inbox.dead_letters === 0 ? [] : [`${role}: ${queues.inbox.dead_letters} dead letters`]
          return [...waiting, ...given, ...(await differences(network, role, held))]
        }),
      ).catch((error: unknown) => [[String(error)]])
      last = found.flat()
      return last.length === 0 ? true : undefined
    }
    await eventually(look, SETTLED_MS).catch(() => expect(last, network.command.everything.slice(-5_000)).toEqual([]))
    return performance.now() - since
  }

  const say = (text: string): boolean => process.stdout.write(`${text}\n`)

  test(
    'loses nothing while any process is killed every few seconds, for two minutes',
    { timeout: 10 * MINUTE },
    async () => {
      const network = await up(3)
      const load = new Load(network.service('producer').url)
      let kills = 0
      for (const until = performance.now() + 2 * MINUTE; performance.now() < until; await wait(5_000)) {
        const pids = network.replicas.services.flatMap((service) => service.pids).filter(isAlive)
        const pid = pids[Math.floor(Math.random() * pids.length)]
        if (pid === undefined) continue
        process.kill(pid, 'SIGKILL')
        kills += 1
      }
      const held = await load.end()
      const ms = await agree(network, held)
      const { acknowledged, again, refused } = load.figures
      say(
        `${kills} processes killed; ${acknowledged} requests acknowledged, ${again} sent again (${JSON.stringify(refused)}); all nodes agreed on ${held.size} datasets ${Math.round(ms / 100) / 10} s after the last`,
      )
      // That it was a run at all; how much a machine does in two minutes is printed above.
      expect(kills).toBeGreaterThan(10)
      expect(acknowledged).toBeGreaterThan(20)
    },
  )

  test(
    'lives without Redis and without Postgres, and loses nothing of what it acknowledged',
    { timeout: 10 * MINUTE },
    async () => {
      const network = await up(2)
      const before = network.replicas.services.map(({ pids }) => pids)
      const load = new Load(network.service('producer').url)
      const degradedBy = async (what: string) => {
        for (const role of ROLES) {
          await eventually(async () => {
            const response = await fetch(`${network.service(role).url}/readyz`)
            expect(response.status).toBe(200)
            return JSON.stringify(await response.json()).includes(what) ? true : undefined
          })
        }
      }
      await wait(3_000)
      await redis.signal('TERM')
      await degradedBy('queue')
      await wait(AWAY_MS)
      await redis.startAgain()
      await wait(3_000)

      await postgres.stop('immediate')
      const answer = await fetch(`${network.service('producer').url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ schema: 'DatasetMetadata', object: { name: 'never', format: 'csv' } }),
      })
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
      await degradedBy('store')
      await wait(AWAY_MS)
      await postgres.startAgain()
      await eventually(async () => {
        const { degraded } = await statusOf(network, 'consumer')
        return degraded.length === 0 ? true : undefined
      })
      await wait(3_000)
      const held = await load.end()
      await agree(network, held)
      say(`Redis and Postgres away for 20 s each: ${JSON.stringify(load.figures)}`)
      expect(network.replicas.services.map(({ pids }) => pids)).toEqual(before)
    },
  )

  test(
    'loses nothing when Redis is flushed, and when processes stand still for longer than their leases',
    { timeout: 10 * MINUTE },
    async () => {
      const network = await up(2)
      const load = new Load(network.service('producer').url)
      const stopped = ROLES.map((role) => network.pidsOf(role)[1]!)
      try {
        for (const pid of stopped) process.kill(pid, 'SIGSTOP')
        for (let flushes = 0; flushes < 7; flushes += 1) {
          await wait(BEYOND_A_LEASE_MS / 7)
          await flush(redis)
        }
      } finally {
        for (const pid of stopped) process.kill(pid, 'SIGCONT')
      }
      await wait(3_000)
      const held = await load.end()
      const ms = await agree(network, held)
      say(
        `Redis flushed 7 times, a process of each node stopped for ${BEYOND_A_LEASE_MS / 1000} s: ${JSON.stringify(load.figures)}, agreed ${Math.round(ms / 100) / 10} s after`,
      )
    },
  )
})
