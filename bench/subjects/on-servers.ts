import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { findPostgres, findRedis, PostgresServer, RedisServer } from '@koi-mcp/testing'
import { startService } from './our-service.ts'
import type { Subject } from './subject.ts'

/** The coordinator as so many processes on servers of their own: Postgres syncs before it says that a transaction is done, as it does by default. */
export function onServers(processes: number): Subject | { readonly why: string } {
  const PATH = process.env['PATH'] ?? ''
  const [binaries, program] = [findPostgres(PATH), findRedis(PATH)]
  if (binaries === undefined || program === undefined)
    return { why: 'Postgres and redis-server are not both installed' }
  return {
    name: 'ours',
    start: async (state) => {
      const postgres = await PostgresServer.start(binaries)
      const redis = await RedisServer.start(program)
      const stopServers = () => Promise.all([postgres.remove(), redis.remove()])
      const port = await freePort()
      const start = (own: number) =>
        startService({
          app: 'coordinator',
          state,
          env: {
            KOI_MCP_NODE__PORT: String(own),
            KOI_MCP_NODE__BASE_URL: `http://127.0.0.1:${port}/koi-net`,
            KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
            KOI_MCP_PERSISTENCE__POSTGRES_URL: postgres.url,
            KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
            KOI_MCP_QUEUE__REDIS_URL: redis.url,
          },
        })
      try {
        const first = await start(port)
        const others = await Promise.all(Array.from({ length: processes - 1 }, () => start(0)))
        return {
          ...first,
          others: others.map(({ serviceUrl }) => `${serviceUrl}/koi-net`),
          otherPids: others.map(({ pid }) => pid),
          stop: async () => {
            await Promise.all([first, ...others].map((one) => one.stop()))
            await stopServers()
          },
        }
      } catch (error) {
        await stopServers()
        throw error
      }
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
