// A worker process of the histories: redis-history-worker.ts URL. It loads no more than it needs, for many are started.
import { serveHistories } from '@koi-mcp/testing'
import { openRedisStore } from '../src/redis/open-redis-store.ts'

const [url = ''] = process.argv.slice(2)
serveHistories((namespace) => openRedisStore({ url, namespace }))
