import { describe } from 'vitest'
import { describeHistoriesOnServers } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/index.ts'
import { testSchemas, url } from './test-schemas.ts'

const { HISTORIES_ON_SERVERS = '300', HISTORIES_SEED } = process.env

describe.skipIf(url === '')('with a server', () => {
  const schemas = testSchemas()
  describeHistoriesOnServers('Postgres', {
    open: (schema) => openPostgresStore({ url, schema }),
    namespace: () => Promise.resolve(schemas()),
    program: new URL('history-worker.ts', import.meta.url).pathname,
    args: ['postgres', url],
    runs: Number(HISTORIES_ON_SERVERS),
    seed: HISTORIES_SEED === undefined ? undefined : Number(HISTORIES_SEED),
  })
})
