import { describe } from 'vitest'
import { describeNodeStore } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { empty, testSchemas, url } from './test-schemas.ts'

describe.skipIf(url === '')('with a server', () => {
  const schema = testSchemas()()
  describeNodeStore('Postgres', {
    open: async (clock) => {
      await empty(schema)
      return openPostgresStore({ url, schema, clock })
    },
    reopen: (clock) => openPostgresStore({ url, schema, clock }),
  })
})
