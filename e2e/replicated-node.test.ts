import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  eventFromBundle,
  eventText,
  generateBundle,
  generateKeyPair,
  nodeProfileContents,
  nodeRid,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { findPostgres, findRedis, PostgresServer, RedisServer } from '@koi-mcp/testing'
import { freePort } from './faults/network.ts'
import { Command, eventually, place } from './koi-mcp.ts'

const DATASET = 'orn:data-catalog.dataset'
const PATH = process.env['PATH'] ?? ''
const binaries = findPostgres(PATH)
const program = findRedis(PATH)

interface Ready {
  readonly url: string
  readonly koi_net_url: string
  readonly rid: Rid
}

const logged = (command: Command, message: string) =>
  command.until(() =>
    command.out
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, string>)
      .find(({ msg }) => msg === message),
  )

/** A service that was asked to start, and what it says of itself once it has. */
async function service(role: string, env: Record<string, string>): Promise<Ready & { readonly command: Command }> {
  const common = { KOI_MCP_NODE__PORT: '0', KOI_MCP_LOGGING__FORMAT: 'json', KOI_MCP_LOGGING__LEVEL: 'info' }
  const command = new Command(['run', '--role', role], { env: { ...common, ...env } })
  const { url, koi_net_url, node_rid } = await logged(command, 'ready')
  return { command, url: url!, koi_net_url: koi_net_url!, rid: node_rid as Rid }
}

const publish = (at: Ready, reference: string) =>
  fetch(`${at.url}/publish`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ schema: 'DatasetMetadata', object: { name: reference, format: 'parquet' } }),
  })

const held = async (at: Ready): Promise<readonly string[] | number> => {
  const response = await fetch(`${at.url}/api/rids?limit=1000&types=${DATASET}`)
  return response.ok ? ((await response.json()) as { rids: string[] }).rids : response.status
}

/** All of them hold these notes, and nothing else of the kind. */
const hold = (nodes: readonly Ready[], references: readonly string[]) => {
  const wanted = references.map((reference) => `${DATASET}:published/${reference}`).sort()
  return eventually(async () => {
    const all = await Promise.all(nodes.map(held))
    return all.every((rids) => JSON.stringify(rids) === JSON.stringify(wanted)) ? true : undefined
  })
}

/** What a stranger sends that introduces itself. */
function introduction(target: Rid): string {
  const { privateKey, publicKey } = generateKeyPair()
  const public_key = publicKeyToDerBase64(publicKey)
  const rid = nodeRid('stranger', public_key)
  const profile = nodeProfileContents({
    base_url: 'http://stranger.example/koi-net',
    node_type: 'FULL',
    provides: { event: [], state: [] },
    public_key,
  })
  const event = eventText(eventFromBundle('NEW', generateBundle(rid, profile, '2026-01-01T00:00:00Z')))
  const payloadText = `{"type":"events_payload","events":[${event}]}`
  return signEnvelope({ payloadText, source: rid, target }, privateKey)
}

const broadcast = (to: Ready) =>
  fetch(`${to.url}/koi-net/events/broadcast`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: introduction(to.rid),
  })

/** What is lost, as `/readyz` says, which answers 200 all the same. */
const lost = async ({ url }: Ready): Promise<readonly string[]> => {
  const readyz = await fetch(`${url}/readyz`)
  expect(readyz.status).toBe(200)
  const body = (await readyz.json()) as { status: string; details: { dependencies: { lost?: string[] } } }
  const { lost: names = [] } = body.details.dependencies
  expect(body.status).toBe(names.length === 0 ? 'ok' : 'degraded')
  return names
}

const loses = (nodes: readonly Ready[], ...names: readonly string[]) =>
  eventually(async () => {
    const all = await Promise.all(nodes.map(lost))
    return all.every((one) => one.join() === names.join()) ? true : undefined
  })

/** A coordinator with a store of its own, and two processes of a producer that share one. */
async function network(backend: Record<string, string>) {
  const at = await place()
  const coordinator = await service('coordinator', {
    KOI_MCP_PERSISTENCE__STORAGE_PATH: join(at.state, 'coordinator'),
  })
  const port = String(await freePort())
  const shared = {
    ...backend,
    KOI_MCP_NODE__BASE_URL: `http://127.0.0.1:${port}/koi-net`,
    KOI_MCP_NETWORK__FIRST_CONTACT: coordinator.koi_net_url,
    KOI_MCP_PERSISTENCE__STORAGE_PATH: join(at.state, 'producer'),
  }
  const [one, two] = await Promise.all([
    service('producer', { ...shared, KOI_MCP_NODE__PORT: port }),
    service('producer', shared),
  ])
  expect(one.rid).toBe(two.rid)
  return { coordinator, one, two, all: [one, two, coordinator], producers: [one, two] }
}

type Network = Awaited<ReturnType<typeof network>>

/** With its store away a node takes nothing, and lives; what it took before and takes later everybody has in the end. */
async function outlivesItsStore(
  { one, two, all, producers }: Network,
  stop: () => Promise<void>,
  start: () => Promise<void>,
) {
  await stop()
  for (const answer of [await publish(one, 'refused'), await broadcast(two)]) {
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
  }
  await loses(producers, 'store')
  await start()
  await loses(producers)
  for (const [index, producer] of producers.entries())
    expect((await publish(producer, `after-${index}`)).status).toBe(200)
  await hold(all, ['after-0', 'after-1', 'before-0', 'before-1'])
  expect((await broadcast(one)).status).toBe(200)
}

async function ends({ all }: Network): Promise<void> {
  for (const { command } of all) {
    command.process.kill('SIGTERM')
    expect(await command.exited).toEqual({ code: 0, signal: null })
  }
}

async function holdsWhatBothTake({ all, producers }: Network): Promise<void> {
  for (const [index, producer] of producers.entries())
    expect((await publish(producer, `before-${index}`)).status).toBe(200)
  await hold(all, ['before-0', 'before-1'])
}

describe.skipIf(binaries === undefined || program === undefined)('a producer of two processes', () => {
  let database: PostgresServer
  let redis: RedisServer
  beforeAll(async () => {
    ;[database, redis] = await Promise.all([PostgresServer.start(binaries!), RedisServer.start(program!)])
    return async () => void (await Promise.all([database.remove(), redis.remove()]))
  })

  test('on Postgres is one node, and outlives its store', async () => {
    const nodes = await network({
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
      KOI_MCP_PERSISTENCE__POSTGRES_URL: database.url,
      KOI_MCP_PERSISTENCE__NAMESPACE: 'koi_on_postgres',
    })
    await holdsWhatBothTake(nodes)
    await outlivesItsStore(
      nodes,
      () => database.stop('immediate'),
      () => database.startAgain(),
    )
    await ends(nodes)
  })

  test('on Redis is one node, and outlives its store', async () => {
    const nodes = await network({
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'redis',
      KOI_MCP_PERSISTENCE__REDIS_URL: redis.url,
      KOI_MCP_PERSISTENCE__NAMESPACE: 'koi_on_redis',
    })
    await holdsWhatBothTake(nodes)
    await outlivesItsStore(
      nodes,
      () => redis.signal('KILL'),
      () => redis.startAgain(),
    )
    await ends(nodes)
  })

  test('on Postgres with BullMQ lacks nothing while Redis is away, and outlives its store', async () => {
    const nodes = await network({
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
      KOI_MCP_PERSISTENCE__POSTGRES_URL: database.url,
      KOI_MCP_PERSISTENCE__NAMESPACE: 'koi_with_bullmq',
      KOI_MCP_QUEUE__QUEUE_TYPE: 'bullmq',
      KOI_MCP_QUEUE__REDIS_URL: redis.url,
    })
    await loses(nodes.producers)
    await redis.signal('KILL')
    await loses(nodes.producers, 'queue')
    await holdsWhatBothTake(nodes)
    await redis.startAgain()
    await loses(nodes.producers)
    await outlivesItsStore(
      nodes,
      () => database.stop('immediate'),
      () => database.startAgain(),
    )
    await ends(nodes)
  })
})
