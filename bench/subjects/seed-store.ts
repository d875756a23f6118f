/** Fills the store of one of our nodes as if it had taken and announced so many notes. Commands come over IPC. */
import { join } from 'node:path'
import { openSqliteStore, systemClock } from '@koi-mcp/core'
import { nodeRid } from '@koi-mcp/protocol'
// The tables behind the store's port: through the port each note would go the whole way of an event.
import { CacheTables } from '../../libs/core/src/store/cache-tables.ts'
import { ChangeLog } from '../../libs/core/src/store/change-log.ts'
import { SearchIndex } from '../../libs/core/src/store/search-index.ts'
import { SqliteDatabase } from '../../libs/core/src/store/sqlite-database.ts'
import { seedBundle } from '../load/knowledge.ts'
import { serveCommands } from '../process/serve-commands.ts'

const A_TRANSACTION = 20_000

export interface SeedCommands {
  seed: { args: { state: string; bundles: number }; answer: null }
}

async function seed({ state, bundles }: SeedCommands['seed']['args']): Promise<null> {
  const path = join(state, 'knowledge.db')
  await (await openSqliteStore({ path })).close()
  const db = new SqliteDatabase(path)
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144')
  const cache = new CacheTables(db, new ChangeLog(db, systemClock), new SearchIndex(db))
  const origin = nodeRid('seed', 'seed')
  const wake = { changes: false, inbox: false, outbox: false }
  for (let first = 0; first < bundles; first += A_TRANSACTION) {
    db.exec('BEGIN')
    for (let n = first; n < Math.min(bundles, first + A_TRANSACTION); n++) {
      const bundle = seedBundle(n)
      cache.apply(bundle.manifest.rid, { kind: 'write', normalizedEventType: 'NEW', bundle, origin }, wake)
    }
    db.exec('COMMIT')
  }
  db.close()
  return null
}

serveCommands({ seed })
