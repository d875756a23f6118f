import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProducerNode, silentLogger } from '@koi-mcp/core'
import { DataCatalogExtension, DatasetMetadata } from '@koi-mcp/data-catalog'
import { loadSettings, startService } from '@koi-mcp/platform'
import type { RunningService } from '@koi-mcp/platform'
import { coordinator } from '../src/coordinator.ts'

let folder: string
let running: RunningService
let producer: ProducerNode | undefined

const get = async (path: string) => {
  const response = await fetch(running.service.url + path)
  return { status: response.status, body: await response.json() }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'koi-coordinator-'))
  const env = { KOI_MCP_NODE__PORT: '0', KOI_MCP_PERSISTENCE__STORAGE_PATH: folder }
  const settings = loadSettings({ ...coordinator, env, readFile: () => undefined })
  running = await startService(coordinator, settings, silentLogger)
})
afterEach(async () => {
  await producer?.stop()
  await running.stop()
  await rm(folder, { recursive: true })
})

const joined = async () => {
  producer = new ProducerNode({
    name: 'test-producer',
    baseUrl: 'http://127.0.0.1:0/koi-net',
    domains: [new DataCatalogExtension()],
    firstContact: running.ready['koi_net_url'],
  })
  await producer.start()
  return producer
}

describe('the coordinator', () => {
  it('is ready, and says who it is', async () => {
    const rid = running.ready['node_rid']
    expect(running.ready).toEqual({
      event: 'ready',
      role: 'coordinator',
      name: 'coordinator',
      url: running.service.url,
      koi_net_url: `${running.service.url}/koi-net`,
      node_rid: rid,
    })
    expect(rid).toMatch(/^orn:koi-net\.node:coordinator\+[0-9a-f]{64}$/)
    expect((await get('/readyz')).body).toMatchObject({ status: 'ok' })
    expect((await get('/.well-known/koi-net.json')).body).toMatchObject({ rid, base_url: running.ready['koi_net_url'] })
  })

  it('is the same node after a restart', async () => {
    const { settings } = running.service
    await running.stop()
    const again = await startService(coordinator, settings, silentLogger)
    expect(again.ready['node_rid']).toBe(running.ready['node_rid'])
    await again.stop()
  })

  it('keeps a registry of what its network knows', async () => {
    expect((await get('/registry')).body).toEqual({
      total: 1,
      domains: [
        {
          name: 'data_catalog',
          types: [
            { rid_type: 'orn:data-catalog.dataset', count: 0 },
            { rid_type: 'orn:data-catalog.schema', count: 0 },
          ],
          schemas: ['DatasetMetadata', 'DataSchemaDefinition'],
          adapters: [expect.any(String)],
        },
      ],
      others: [{ rid_type: 'orn:koi-net.node', count: 1 }],
    })

    const node = await joined()
    const { rid } = await node.publish(new DatasetMetadata({ name: 'sales 50%', description: 'By day', format: 'csv' }))
    await expect.poll(async () => (await get(`/registry/entity?rid=${encodeURIComponent(rid)}`)).status).toBe(200)

    const { body } = await get('/registry/entities?domain=data_catalog')
    expect(body).toEqual({
      entities: [
        {
          rid: 'orn:data-catalog.dataset:published/sales 50%',
          rid_type: 'orn:data-catalog.dataset',
          domain: 'data_catalog',
          name: 'sales 50%',
          description: expect.stringContaining('By day'),
          origin: node.identity.rid,
          timestamp: expect.stringMatching(/Z$/),
        },
      ],
      next: null,
    })
    const entity = await get(`/registry/entity?rid=${encodeURIComponent(rid)}`)
    expect(entity.body).toMatchObject({ rid, origin: node.identity.rid, contents: { name: 'sales 50%' } })

    const page = await get('/registry/entities?limit=1')
    expect(page.body).toMatchObject({ entities: [{ rid }], next: rid })
    const { nodes } = (await get('/registry/nodes')).body as { nodes: { name: string; subscriptions: unknown[] }[] }
    expect(nodes.map(({ name }) => name)).toEqual(['coordinator', 'test-producer'])
    expect(nodes[0]).toMatchObject({
      rid: running.ready['node_rid'],
      node_type: 'FULL',
      base_url: running.ready['koi_net_url'],
      subscriptions: [{ provider: node.identity.rid, status: 'APPROVED' }],
    })
  })

  it('says which domains there are', async () => {
    expect(await get('/registry/entities?domain=nothing')).toEqual({
      status: 400,
      body: {
        statusCode: 400,
        error: 'Bad Request',
        message: 'The parameter domain must be one of data_catalog',
        fields: [{ path: 'domain', message: 'must be one of data_catalog' }],
      },
    })
    expect((await get('/registry/entities?domain=data_catalog&type=https')).body).toEqual({ entities: [], next: null })
    expect((await get('/registry/entity?rid=orn:a.b:c')).status).toBe(404)
  })
})
