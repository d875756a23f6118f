import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { CoordinatorNode, ProducerNode, silentLogger } from '@koi-mcp/core'
import { DataCatalogExtension, DatasetMetadata } from '@koi-mcp/data-catalog'
import { loadSettings, startService } from '@koi-mcp/platform'
import type { RunningService } from '@koi-mcp/platform'
import { mcpGateway } from '../src/mcp-gateway.ts'

const RID = 'orn:data-catalog.dataset:published/a b 50% #1*[x] ü.csv'

let folder: string
let coordinator: CoordinatorNode
let producer: ProducerNode
let running: RunningService
let mcpUrl: URL

const baseUrl = 'http://127.0.0.1:0/koi-net'

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'koi-gateway-'))
  coordinator = new CoordinatorNode({ name: 'c', baseUrl, domains: [new DataCatalogExtension()] })
  await coordinator.start()
  const firstContact = coordinator.identity.profile.base_url
  producer = new ProducerNode({ name: 'p', baseUrl, domains: [new DataCatalogExtension()], firstContact })
  await producer.publish(new DatasetMetadata({ name: 'a b 50% #1*[x] ü.csv', description: 'Odd' }))
  const env = {
    KOI_MCP_NODE__PORT: '0',
    KOI_MCP_PERSISTENCE__STORAGE_PATH: folder,
    KOI_MCP_NETWORK__FIRST_CONTACT: firstContact,
  }
  running = await startService(
    mcpGateway,
    loadSettings({ ...mcpGateway, env, readFile: () => undefined }),
    silentLogger,
  )
  mcpUrl = new URL(running.ready['mcp_url'] ?? '')
  const known = `${running.service.url}/api/bundle?rid=${encodeURIComponent(RID)}`
  await vi.waitFor(async () => expect((await fetch(known)).status).toBe(200), { timeout: 50_000 })
})
afterAll(async () => {
  await running.stop()
  await producer.stop()
  await coordinator.stop()
  await rm(folder, { recursive: true })
})

describe('the gateway', () => {
  it('says where MCP is', () => {
    expect(running.ready).toMatchObject({
      role: 'consumer',
      name: 'mcp-gateway',
      mcp_url: `${running.service.url}/mcp`,
    })
  })

  it.each([
    [
      'the client of today',
      async () => {
        const client = new Client({ name: 'test', version: '1' })
        await client.connect(new StreamableHTTPClientTransport(mcpUrl))
        return client
      },
    ],
    [
      'the older client',
      async () => {
        const client = new OldClient({ name: 'test', version: '1' })
        await client.connect(new OldTransport(mcpUrl))
        return client
      },
    ],
  ])('serves a dataset of another node under its exact RID to %s', async (_name, connect) => {
    const client = await connect()
    const { resources } = await client.listResources()
    expect(resources.map(({ uri }) => uri)).toContain(RID)
    const { contents } = await client.readResource({ uri: RID })
    const [content] = contents as { uri: string; text: string }[]
    expect(content?.uri).toBe(RID)
    expect(JSON.parse(content?.text ?? '')).toMatchObject({ name: 'a b 50% #1*[x] ü.csv', description: 'Odd' })
    const found = await client.callTool({ name: 'search_knowledge', arguments: { query: 'odd' } })
    expect(JSON.stringify(found.structuredContent)).toContain(RID)
    await client.close()
  })

  it('answers in JSON-RPC to what is no JSON, and refuses web pages under other names', async () => {
    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(mcpUrl, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
    const answer = await post('{')
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: -32700 } }])
    expect((await post('{}', { origin: 'https://evil.example' })).status).toBe(403)
  })

  it('tells subscribers within the second that a bundle has changed', async () => {
    const client = new OldClient({ name: 'test', version: '1' })
    await client.connect(new OldTransport(mcpUrl))
    const updated = new Promise((resolve) => {
      client.fallbackNotificationHandler = (notification) => Promise.resolve(resolve(notification))
    })
    await client.subscribeResource({ uri: RID })
    await producer.publish(new DatasetMetadata({ name: 'a b 50% #1*[x] ü.csv', description: 'Changed' }))
    expect(await updated).toMatchObject({ method: 'notifications/resources/updated', params: { uri: RID } })
    await client.close()
  })
})
