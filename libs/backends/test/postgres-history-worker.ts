// A worker process of the histories: postgres-history-worker.ts URL. It loads no more than it needs, for many are started.
import { serveHistories } from '@koi-mcp/testing'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'

const [url = ''] = process.argv.slice(2)
serveHistories((schema) => openPostgresStore({ url, schema, connections: 3 }))
