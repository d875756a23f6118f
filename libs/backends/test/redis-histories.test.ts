import { describe } from 'vitest'
import { describeHistoriesOnServers } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { testNamespaces, url } from './test-namespaces.ts'

const { HISTORIES_ON_SERVERS = '300', HISTORIES_SEED } = process.env

describe.skipIf(url === '')('with a server', () => {
  const namespaces = testNamespaces()
  describeHistoriesOnServers('Redis', {
    open: (namespace) => openRedisStore({ url, namespace }),
    namespace: () => Promise.resolve(namespaces()),
    program: new URL('redis-history-worker.ts', import.meta.url).pathname,
    args: [url],
    env: process.env,
    runs: Number(HISTORIES_ON_SERVERS),
    seed: HISTORIES_SEED === undefined ? undefined : Number(HISTORIES_SEED),
  })
})
