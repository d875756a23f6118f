import { randomUUID } from 'node:crypto'
import { StoreError } from '@koi-mcp/core'
import type { RedisConnection } from './redis-connection.ts'
import { plainScript } from './redis-script.ts'

export interface Migration {
  /** What it changes. `KEYS[1]` is the format's key, as in every script. */
  readonly lua: string
  /** The oldest format whose release still works on the store after it: one that only expands leaves it as it was. */
  readonly oldest: number
}

/**
 * Each takes the store from the format of its index to the next. Never change one that was released. A script is alone on its server, so
 * that of processes that start at the same time one does it, and the others find it done. The first has nothing to make.
 */
export const MIGRATIONS: readonly Migration[] = [{ lua: '', oldest: 1 }]

const FORMAT = plainScript(String.raw`
  local version, oldest, id = unpack(redis.call('HMGET', KEYS[1], 'version', 'oldest', 'id'))
  local node = string.sub(KEYS[1], 1, -7) .. 'node'
  return {version or '0', oldest or '0', id or '', redis.call('EXISTS', node)}`)

/**
 * Brings the store to this release's format; makes it where there is none. Answers its id.
 *
 * @throws StoreError NEWER_FORMAT, or DAMAGED for a namespace that is not as it was left
 */
export async function migrate(db: RedisConnection, migrations = MIGRATIONS): Promise<string> {
  const from = await formatOf(db, migrations)
  for (const [index, { lua, oldest }] of migrations.entries()) {
    if (index < from.version) continue
    const script = plainScript(String.raw`
      if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[1] then return end
      ${lua}
      redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'oldest', ARGV[2])
      redis.call('HSETNX', KEYS[1], 'id', ARGV[3])`)
    await db.evaluate(script, [index, oldest, randomUUID()])
  }
  return from.id === '' ? (await formatOf(db, migrations)).id : from.id
}

async function formatOf(
  db: RedisConnection,
  migrations: readonly Migration[],
): Promise<{ readonly version: number; readonly id: string }> {
  type Format = [version: string, oldest: string, id: string, used: number]
  const [version, oldest, id, used] = await db.evaluate<Format>(FORMAT, [])
  if (version === '0' && used === 1) {
    throw new StoreError(
      'DAMAGED',
      `${db.where} lost a part of its keys: put back a backup, or give this node another namespace`,
    )
  }
  if (Number(oldest) <= migrations.length) return { version: Number(version), id }
  throw new StoreError(
    'NEWER_FORMAT',
    `${db.where} has format ${version}, and this release works on formats up to ${migrations.length}: run the release that wrote it, or a newer one`,
  )
}
