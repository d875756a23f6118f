import { StoreError } from '@koi-mcp/core'
import { BACKLOG_FUNCTIONS } from './postgres-backlog-functions.ts'
import type { PostgresConnections, Queries } from './postgres-connections.ts'
import { CACHE_FUNCTIONS } from './postgres-cache-functions.ts'
import { DEAD_LETTER_FUNCTIONS } from './postgres-dead-letter-functions.ts'
import { INBOX_FUNCTIONS } from './postgres-inbox-functions.ts'
import { LEASE_FUNCTIONS } from './postgres-lease-functions.ts'
import { OUTBOX_FUNCTIONS } from './postgres-outbox-functions.ts'
import { SETTLE_FUNCTIONS } from './postgres-settle-functions.ts'
import { TABLES } from './postgres-tables.ts'

export interface Migration {
  readonly sql: string
  /** The oldest format whose release still works on the store after it: a step that only expands leaves it as it was. */
  readonly oldest: number
}

/** In the order in which steps use them: the release before works on meanwhile, and neither may wait for the other. */
const IN_ORDER = 'LOCK TABLE inbox, outbox_targets, outbox, dead_letters IN ACCESS EXCLUSIVE MODE;'

/**
 * Each takes the schema from the format of its index to the next. Never change one that was released: a function that changes gets a new
 * name, for the release before runs beside this one and calls the old.
 */
export const MIGRATIONS: readonly Migration[] = [
  { sql: [TABLES, INBOX_FUNCTIONS, CACHE_FUNCTIONS, OUTBOX_FUNCTIONS].join('\n'), oldest: 1 },
  {
    sql: [IN_ORDER, LEASE_FUNCTIONS, BACKLOG_FUNCTIONS, DEAD_LETTER_FUNCTIONS, SETTLE_FUNCTIONS].join('\n'),
    oldest: 1,
  },
]

const FORMAT_TABLE =
  'CREATE TABLE koi_format (id int PRIMARY KEY CHECK (id = 1), version int NOT NULL, oldest int NOT NULL)'

/**
 * Brings the schema to this release's format, all of it or nothing, one process at a time; makes it where there is none.
 *
 * @throws StoreError NEWER_FORMAT, or DAMAGED for a schema that holds something else
 */
export async function migrate(db: PostgresConnections, schema: string, migrations = MIGRATIONS): Promise<void> {
  const found = await formatOf(db, schema)
  if (checked(found, db.where, migrations) >= migrations.length) return
  await db.transaction(async (queries) => {
    await queries.all('SELECT pg_advisory_xact_lock(hashtext($1), 2048)', schema)
    const now = await formatOf(queries, schema)
    const from = checked(now, db.where, migrations)
    if (from >= migrations.length) return
    if (now.state === 'absent') await queries.exec(`CREATE SCHEMA "${schema}"`)
    if (from === 0) await queries.exec(FORMAT_TABLE)
    for (const { sql } of migrations.slice(from)) await queries.exec(sql)
    await queries.all(
      `INSERT INTO koi_format VALUES (1, $1, $2) ON CONFLICT (id) DO UPDATE SET version = excluded.version, oldest = excluded.oldest`,
      migrations.length,
      migrations.at(-1)?.oldest ?? 1,
    )
  })
}

type Format = { state: 'absent' | 'empty' | 'strange' } | { state: 'ours'; version: number; oldest: number }

async function formatOf(queries: Pick<Queries, 'get'>, schema: string): Promise<Format> {
  const found = await queries.get<{ there: boolean; tables: number; ours: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS there,
       count(*) AS tables, coalesce(bool_or(relname = 'koi_format'), false) AS ours
     FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`,
    schema,
  )
  if (found?.there !== true) return { state: 'absent' }
  if (!found.ours) return { state: found.tables > 0 ? 'strange' : 'empty' }
  const row = await queries.get<{ version: number; oldest: number }>('SELECT version, oldest FROM koi_format')
  return { state: 'ours', version: row?.version ?? 0, oldest: row?.oldest ?? 0 }
}

/** The format to go on from. */
function checked(found: Format, where: string, migrations: readonly Migration[]): number {
  if (found.state === 'strange') {
    throw new StoreError('DAMAGED', `${where} holds tables that are not a KOI-MCP store: give this node another schema`)
  }
  if (found.state !== 'ours') return 0
  if (found.oldest <= migrations.length) return found.version
  throw new StoreError(
    'NEWER_FORMAT',
    `${where} has format ${found.version}, and this release works on formats up to ${migrations.length}: run the release that wrote it, or a newer one`,
  )
}
