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
import { findPostgres, PostgresServer } from '@koi-mcp/testing'
import { freePort } from './faults/network.ts'
import { Command, eventually, place } from './koi-mcp.ts'

const DATASET = 'orn:data-catalog.dataset'
const binaries = findPostgres(process.env['PATH'] ?? '')

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

describe.skipIf(binaries === undefined)('a producer of two processes on Postgres', () => {
  let database: PostgresServer
  beforeAll(async () => {
    database = await PostgresServer.start(binaries!)
    return () => database.remove()
  })

  test('is one node from outside, and answers 503 while Postgres is away, lives, and catches up by itself', async () => {
    const at = await place()
    const coordinator = await service('coordinator', {
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(at.state, 'coordinator'),
    })
    const port = String(await freePort())
    const shared = {
      KOI_MCP_NODE__BASE_URL: `http://127.0.0.1:${port}/koi-net`,
      KOI_MCP_NETWORK__FIRST_CONTACT: coordinator.koi_net_url,
      KOI_MCP_PERSISTENCE__STORAGE_PATH: join(at.state, 'producer'),
      KOI_MCP_PERSISTENCE__STORAGE_TYPE: 'postgres',
      KOI_MCP_PERSISTENCE__POSTGRES_URL: database.url,
    }
    const producers = await Promise.all([
      service('producer', { ...shared, KOI_MCP_NODE__PORT: port }),
      service('producer', shared),
    ])
    const [one, two] = producers
    expect(one.rid).toBe(two.rid)
    expect((await publish(one, 'one')).status).toBe(200)
    expect((await publish(two, 'two')).status).toBe(200)
    await hold([...producers, coordinator], ['one', 'two'])

    await database.stop('immediate')
    for (const answer of [await publish(one, 'three'), await broadcast(two)]) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
    }
    for (const { url } of producers) {
      const readyz = await fetch(`${url}/readyz`)
      expect([readyz.status, await readyz.json()]).toMatchObject([
        200,
        { status: 'degraded', details: { dependencies: { lost: ['store'] } } },
      ])
    }
    await database.startAgain()
    for (const [index, producer] of producers.entries()) {
      await eventually(async () => ((await publish(producer, `later-${index}`)).status === 200 ? true : undefined))
    }
    await hold([...producers, coordinator], ['one', 'two', 'later-0', 'later-1'])
    expect((await broadcast(one)).status).toBe(200)
    for (const { command } of [...producers, coordinator]) {
      command.process.kill('SIGTERM')
      expect(await command.exited).toEqual({ code: 0, signal: null })
    }
  })
})
