import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'
import { StoreError } from '@koi-mcp/core'
import type { Logger } from '@koi-mcp/core'

export interface CheckOptions {
  readonly where: string
  readonly log: Logger
  readonly durability: 'full' | 'normal'
}

const OLDEST_SERVER = 7

/**
 * Refuses a server that would not keep what this node acknowledges.
 *
 * @throws StoreError UNAVAILABLE; the message names the setting and what to do
 */
export async function checkServer(redis: Redis, { where, log, durability }: CheckOptions): Promise<void> {
  const refuse = (why: string) => new StoreError('UNAVAILABLE', `${where} ${why}`)
  const info = fieldsOf(await redis.info())
  const version = info.get('redis_version') ?? 'unknown'
  if (Number.parseInt(version) < OLDEST_SERVER)
    throw refuse(`has version ${version}: use Redis 7.0 or newer, or Valkey`)
  if (info.get('cluster_enabled') === '1') throw refuse('is part of a cluster: name a server outside of one')
  if (info.get('role') !== 'master') throw refuse('is a replica: name the primary server')
  if (info.get('aof_enabled') !== '1') {
    throw refuse('forgets what it was given when it ends (appendonly no): set appendonly yes')
  }
  const policy = info.get('maxmemory_policy')
  if (policy !== 'noeviction') {
    throw refuse(`drops keys when its memory is full (maxmemory-policy ${policy}): set maxmemory-policy noeviction`)
  }
  if (durability === 'full') await checkSyncs(redis, { where, log, refuse })
}

/** What only CONFIG says, which some who run servers for others forbid. */
async function checkSyncs(
  redis: Redis,
  { where, log, refuse }: Pick<CheckOptions, 'where' | 'log'> & { refuse: (why: string) => StoreError },
): Promise<void> {
  let settings: ReadonlyMap<string, string>
  try {
    const flat = await redis.config('GET', 'appendfsync', 'no-appendfsync-on-rewrite')
    settings = new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])))
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    log.warn(
      'Redis does not show its settings (CONFIG GET is forbidden): whether it syncs its disk for each write (appendfsync always) could not be checked',
      { server: where },
    )
    return
  }
  const appendfsync = settings.get('appendfsync')
  if (appendfsync !== 'always') {
    throw refuse(
      `may lose its last moments with its power (appendfsync ${appendfsync}): set appendfsync always, or choose durability normal`,
    )
  }
  if (settings.get('no-appendfsync-on-rewrite') !== 'no') {
    throw refuse(
      'does not sync its disk while it rewrites its log (no-appendfsync-on-rewrite yes): set it to no, or choose durability normal',
    )
  }
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  const lines = info.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
