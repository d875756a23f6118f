import { silentLogger, StoreError } from '@koi-mcp/core'
import type { Clock, Logger, NodeStore } from '@koi-mcp/core'
import { ReplicaWakes } from '../replica-wakes.ts'
import { SharedNodeStore } from '../shared-node-store.ts'
import type { StoreParts } from '../store-parts.ts'
import { PostgresCache } from './postgres-cache.ts'
import { PostgresConnections } from './postgres-connections.ts'
import type { Queries } from './postgres-connections.ts'
import { PostgresDeadLetters } from './postgres-dead-letters.ts'
import { migrate } from './postgres-format.ts'
import { PostgresInbox } from './postgres-inbox.ts'
import { PostgresLanes } from './postgres-lanes.ts'
import { PostgresLapsed } from './postgres-lapsed.ts'
import { PostgresLeases } from './postgres-leases.ts'
import { PostgresListener } from './postgres-listener.ts'
import { PostgresOutbox } from './postgres-outbox.ts'
import { PostgresValues } from './postgres-values.ts'

export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`. A direct connection: the store keeps session settings and listens. */
  readonly url: string
  /** The node's own: `koi_<name>` of small letters, digits and `_`, at most 63. Made where absent. */
  readonly schema: string
  /**
   * Absent: the server's clock, the same for all replicas, so that one whose clock is wrong neither takes leases too early nor holds them
   * too long. Given (in tests), it is the clock of leases, stamps and waiting times.
   */
  readonly clock?: Clock | undefined
  readonly log?: Logger | undefined
  /** Connections at most, beside the one that listens; default 10. */
  readonly connections?: number | undefined
  /** `full`: what is acknowledged survives the loss of the server's power, as far as the server's disks do. `normal`: the last moments may be lost with it. */
  readonly durability?: 'full' | 'normal' | undefined
}

const OLDEST_SERVER = 13

/**
 * Opens the store that all replicas of a node share.
 *
 * @throws StoreError UNAVAILABLE, NEWER_FORMAT, DAMAGED, FULL; the message says what to do
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<NodeStore> {
  const { url, schema, clock, log = silentLogger, connections = 10, durability = 'full' } = options
  if (!/^koi_[a-z0-9_]{1,59}$/.test(schema)) {
    throw new RangeError(`schema: ${JSON.stringify(schema)} is no koi_<name> of a-z, 0-9 and _, 63 characters at most`)
  }
  const db = new PostgresConnections({ url, schema, log, connections, durability })
  const wakes = new ReplicaWakes({ log, send: (payload) => db.get('SELECT pg_notify($1, $2)', schema, payload) })
  const listener = new PostgresListener({ url, schema, log, wakes })
  const close = async (held: readonly number[]): Promise<void> => {
    const last = async (queries: Queries) => {
      await queries.get('SELECT give_back_2($1)', held)
      await queries.get('SELECT pg_notify($1, $2)', schema, wakes.farewell)
    }
    await db.close(last).finally(() => listener.close())
  }
  try {
    await checkServer(db, durability)
    await migrate(db, schema)
    await db.get('SELECT bring_forward_2($1)', clock === undefined ? null : Math.trunc(clock()))
    await listener.listen()
    return new SharedNodeStore({ ...partsOf(db, clock), close }, wakes)
  } catch (error) {
    await Promise.all([listener.close(), db.close()])
    throw error
  }
}

function partsOf(db: PostgresConnections, clock: Clock | undefined): Omit<StoreParts, 'close'> {
  return {
    inbox: new PostgresInbox(db, clock),
    deadLetters: new PostgresDeadLetters(db, clock),
    leases: new PostgresLeases(db, clock),
    lanes: new PostgresLanes(db, clock),
    cache: new PostgresCache(db),
    deliveries: new PostgresOutbox(db, clock),
    lapsed: new PostgresLapsed(db, clock),
    values: new PostgresValues(db),
  }
}

async function checkServer(db: PostgresConnections, durability: 'full' | 'normal'): Promise<void> {
  const server = await db.get<{ version: string; encoding: string; fsync: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('server_encoding') AS encoding,
       current_setting('fsync') AS fsync`,
  )
  const refuse = (why: string) => new StoreError('UNAVAILABLE', `${db.where} ${why}`)
  if (Math.trunc(Number(server?.version) / 10_000) < OLDEST_SERVER)
    throw refuse(`is too old: use Postgres ${OLDEST_SERVER} or newer`)
  if (server?.encoding !== 'UTF8')
    throw refuse(`is in ${server?.encoding ?? 'no'} encoding: make the database with ENCODING 'UTF8'`)
  if (durability === 'full' && server.fsync !== 'on') {
    throw refuse('does not sync its disk (fsync = off): turn fsync on, or choose durability normal')
  }
}
