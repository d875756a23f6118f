import { describe } from 'vitest'
import { describeNodeStore } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { empty, testNamespaces, url } from './test-namespaces.ts'

describe.skipIf(url === '')('with a server', () => {
  const namespace = testNamespaces()()
  describeNodeStore('Redis', {
    open: async (clock) => {
      await empty(namespace)
      return openRedisStore({ url, namespace, clock })
    },
    reopen: (clock) => openRedisStore({ url, namespace, clock }),
  })
})
