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
  const why = whyNot(await redis.info()) ?? (await whyItMayForget(redis, { where, log, durability }))
  if (why !== undefined) throw new StoreError('UNAVAILABLE', `${where} ${why}`)
}

/** What `INFO` says against it. */
export function whyNot(info: string): string | undefined {
  const fields = fieldsOf(info)
  const version = fields.get('redis_version') ?? 'unknown'
  // Valkey says here which Redis it stands for.
  if (!(Number.parseInt(version) >= OLDEST_SERVER)) return `has version ${version}: use Redis 7.0 or newer, or Valkey`
  if (fields.get('cluster_enabled') === '1') return 'is part of a cluster: name a server outside of one'
  if (fields.get('role') !== 'master') return 'is a replica: name the primary server'
  if (fields.get('aof_enabled') !== '1')
    return 'forgets what it was given when it ends (appendonly no): set appendonly yes'
  const policy = fields.get('maxmemory_policy')
  if (policy === 'noeviction') return undefined
  return `drops keys when its memory is full (maxmemory-policy ${policy}): set maxmemory-policy noeviction`
}

/** What only CONFIG says, which some who run servers for others forbid. */
async function whyItMayForget(redis: Redis, { where, log, durability }: CheckOptions): Promise<string | undefined> {
  let settings: ReadonlyMap<string, string>
  try {
    const flat = await redis.config('GET', 'appendfsync', 'no-appendfsync-on-rewrite')
    settings = new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])))
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
    log.warn(
      'Redis does not show its settings (CONFIG GET is forbidden): when it syncs its disk (appendfsync) could not be checked',
      { server: where },
    )
    return undefined
  }
  const appendfsync = settings.get('appendfsync')
  if (durability === 'normal') {
    return appendfsync === 'no'
      ? 'leaves it to the system when its disk is synced (appendfsync no): set appendfsync everysec'
      : undefined
  }
  if (appendfsync !== 'always') {
    return `may lose its last moments with its power (appendfsync ${appendfsync}): set appendfsync always, or choose durability normal`
  }
  return settings.get('no-appendfsync-on-rewrite') === 'no'
    ? undefined
    : 'does not sync its disk while it rewrites its log (no-appendfsync-on-rewrite yes): set it to no, or choose durability normal'
}

function fieldsOf(info: string): ReadonlyMap<string, string> {
  const lines = info.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
