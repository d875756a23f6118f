import { describe } from 'vitest'
import { describeReplicas } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { empty, sql, testSchemas, url } from './test-schemas.ts'

describe.skipIf(url === '')('with a server', () => {
  const schema = testSchemas()()
  describeReplicas('Postgres', {
    open: async (clock) => {
      await empty(schema)
      return Promise.all([openPostgresStore({ url, schema, clock }), openPostgresStore({ url, schema, clock })])
    },
    deadlocks: async () => {
      const [row] = await sql<{ deadlocks: string }>(
        'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
      )
      return Number(row?.deadlocks)
    },
  })
})
