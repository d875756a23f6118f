import { describe } from 'vitest'
import { describeHistoriesOnServers } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { empty, testSchemas, url } from './test-schemas.ts'

const { HISTORIES_ON_SERVERS = '300', HISTORIES_SEED } = process.env

describe.skipIf(url === '')('with a server', () => {
  const next = testSchemas()
  const schemas: string[] = []
  describeHistoriesOnServers('Postgres', {
    // A server has a hundred connections, and six stages of three processes play at once.
    open: (schema) => openPostgresStore({ url, schema, connections: 3 }),
    namespace: async (stage) => {
      const schema = (schemas[stage] ??= next())
      await empty(schema)
      return schema
    },
    program: new URL('postgres-history-worker.ts', import.meta.url).pathname,
    args: [url],
    env: process.env,
    runs: Number(HISTORIES_ON_SERVERS),
    seed: HISTORIES_SEED === undefined ? undefined : Number(HISTORIES_SEED),
  })
})
