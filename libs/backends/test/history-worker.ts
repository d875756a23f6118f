// A worker process of the histories: history-worker.ts postgres|redis URL
import { serveHistories } from '@koi-mcp/testing'
import { openPostgresStore, openRedisStore } from '../src/index.ts'

const [kind, url = ''] = process.argv.slice(2)
serveHistories((name) =>
  kind === 'postgres'
    ? openPostgresStore({ url, schema: name, connections: 3 })
    : openRedisStore({ url, namespace: name }),
)
