import { silentLogger } from '@koi-mcp/core'
import type { Clock, Logger, NodeStore } from '@koi-mcp/core'
import { ReplicaWakes } from '../replica-wakes.ts'
import { SharedNodeStore } from '../shared-node-store.ts'
import type { StoreParts } from '../store-parts.ts'
import { RedisCache } from './redis-cache.ts'
import { RedisConnection } from './redis-connection.ts'
import { RedisDeadLetters } from './redis-dead-letters.ts'
import { RedisDeliveries } from './redis-deliveries.ts'
import { migrate } from './redis-format.ts'
import { RedisInbox } from './redis-inbox.ts'
import { RedisLanes } from './redis-lanes.ts'
import { RedisLapsed } from './redis-lapsed.ts'
import { RedisLeases } from './redis-leases.ts'
import { BRING_FORWARD, GIVE_BACK } from './redis-life.ts'
import { RedisListener } from './redis-listener.ts'
import { RedisValues } from './redis-values.ts'

export interface RedisStoreOptions {
  /** `redis://user:password@host:port/0`, or `rediss://` over TLS. A server of its own, no cluster. */
  readonly url: string
  /** The hash tag of all the node's keys: `koi_<name>` of small letters, digits and `_`, at most 63. */
  readonly namespace: string
  /**
   * Absent: the server's clock, the same for all replicas, so that one whose clock is wrong neither takes leases too early nor holds them
   * too long. Given (in tests), it is the clock of leases, stamps and waiting times.
   */
  readonly clock?: Clock | undefined
  readonly log?: Logger | undefined
  /** `full`: what is acknowledged survives the loss of the server's power, as far as the server's disks do. `normal`: the last moments may be lost with it. */
  readonly durability?: 'full' | 'normal' | undefined
}

/**
 * Opens the store that all replicas of a node share.
 *
 * @throws StoreError UNAVAILABLE, NEWER_FORMAT, DAMAGED, FULL; the message says what to do
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<NodeStore> {
  const { url, namespace, clock, log = silentLogger, durability = 'full' } = options
  if (!/^koi_[a-z0-9_]{1,59}$/.test(namespace)) {
    throw new RangeError(
      `namespace: ${JSON.stringify(namespace)} is no koi_<name> of a-z, 0-9 and _, 63 characters at most`,
    )
  }
  const db = new RedisConnection({ url, namespace, clock, log, durability })
  const channel = db.key('wakes')
  const wakes = new ReplicaWakes({
    log,
    send: (payload) =>
      db.ask(
        (redis) => redis.publish(channel, payload),
        () => undefined,
      ),
  })
  const listener = new RedisListener({ url, namespace, channel, log, wakes })
  const close = (held: readonly number[]): Promise<void> => {
    return db.close({ script: GIVE_BACK, args: [channel, wakes.farewell, ...held] }).finally(() => listener.close())
  }
  try {
    await db.open(() => migrate(db))
    await db.step(BRING_FORWARD, [], () => undefined)
    await db.ask(
      () => listener.listen(),
      () => undefined,
    )
    return new SharedNodeStore({ ...partsOf(db), close }, wakes)
  } catch (error) {
    await Promise.all([listener.close(), db.close()])
    throw error
  }
}

function partsOf(db: RedisConnection): Omit<StoreParts, 'close'> {
  return {
    inbox: new RedisInbox(db),
    deadLetters: new RedisDeadLetters(db),
    leases: new RedisLeases(db),
    lanes: new RedisLanes(db),
    cache: new RedisCache(db),
    deliveries: new RedisDeliveries(db),
    lapsed: new RedisLapsed(db),
    values: new RedisValues(db),
  }
}
