import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { afterAll, inject } from 'vitest'

export const url = inject('redisUrl')
export const program = inject('redisProgram')

/** Names of namespaces whose keys are gone when the file's tests are over. */
export function testNamespaces(): () => string {
  const names: string[] = []
  afterAll(async () => {
    for (const name of names) await empty(name)
  })
  return () => {
    const name = `koi_test_${randomBytes(6).toString('hex')}`
    names.push(name)
    return name
  }
}

export async function empty(namespace: string): Promise<void> {
  await asked(async (redis) => {
    for await (const keys of redis.scanStream({ match: `{${namespace}}:*`, count: 1000 })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]))
    }
  })
}

/** Asks the server past the store. */
export async function asked<T>(work: (redis: Redis) => Promise<T>, server = url): Promise<T> {
  const redis = new Redis(server)
  try {
    return await work(redis)
  } finally {
    redis.disconnect()
  }
}
