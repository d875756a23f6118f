import { describe } from 'vitest'
import { describeReplicas } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'
import { empty, testNamespaces, url } from './test-namespaces.ts'

describe.skipIf(url === '')('with a server', () => {
  const namespace = testNamespaces()()
  describeReplicas('Redis', {
    open: async (clock) => {
      await empty(namespace)
      return Promise.all([openRedisStore({ url, namespace, clock }), openRedisStore({ url, namespace, clock })])
    },
  })
})
