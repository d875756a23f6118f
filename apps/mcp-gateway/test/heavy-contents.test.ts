import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLogger } from '@koi-mcp/core'
import type { ConsumerNode } from '@koi-mcp/core'
import { loadSettings, startService } from '@koi-mcp/platform'
import type { RunningService } from '@koi-mcp/platform'
import { mcpGateway } from '../src/mcp-gateway.ts'

// The heaviest contents that are taken: whoever reads them has to cope.

let folder: string
let running: RunningService
let client: Client

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'koi-heavy-'))
  const env = { KOI_MCP_NODE__PORT: '0', KOI_MCP_PERSISTENCE__STORAGE_PATH: folder }
  const settings = loadSettings({ ...mcpGateway, env, readFile: () => undefined })
  running = await startService(mcpGateway, settings, silentLogger)
  client = new Client({ name: 'test', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(new URL(running.ready['mcp_url'] ?? '')))
}, 30_000)
afterAll(async () => {
  await client.close()
  await running.stop()
  await rm(folder, { recursive: true })
})

const nested = (levels: number): unknown => (levels === 0 ? 'deepest' : [nested(levels - 1)])

it.each([
  ['of another type, 196 levels deep', 'orn:heavy.thing:deep', { word: 'abyss', in: nested(194) }, 'abyss'],
  [
    'of 95,000 lists and numbers',
    'orn:heavy.thing:many',
    { word: 'swarm', list: Array.from({ length: 47_000 }, () => [1]) },
    'swarm',
  ],
  ['of 4 million characters', 'orn:heavy.thing:long', { word: 'novel', text: 'é, '.repeat(1_390_000) }, 'novel'],
  [
    'of one word of 4 million characters',
    'orn:heavy.thing:word',
    { word: 'snake', text: 'ß'.repeat(4_190_000) },
    'snake',
  ],
  ['a dataset 196 levels deep', 'orn:data-catalog.dataset:deep/a.csv', { name: 'well', columns: nested(194) }, 'well'],
  [
    'a dataset of names of every object',
    'orn:data-catalog.dataset:odd/a.csv',
    JSON.parse('{"name":"odd","__proto__":{"name":1},"constructor":1,"toJSON":1,"columns":{"length":1e9}}') as object,
    'odd',
  ],
])(
  'contents %s are found, listed and read over MCP',
  async (_what, rid, contents, word) => {
    const node = running.service.node as ConsumerNode
    // As they come from elsewhere: what is published here has to fit its schema.
    const arrival = { rid, eventType: 'NEW', contents: { text: JSON.stringify(contents), value: contents } }
    await node.store.accept([arrival as never])
    await node.idle()
    const found = await client.callTool({ name: 'search_knowledge', arguments: { query: word } })
    expect(found.isError ?? false).toBe(false)
    expect(JSON.stringify(found.structuredContent)).toContain(rid)
    const read = await client.readResource({ uri: rid })
    const [content] = read.contents as { uri: string; text: string }[]
    expect(content?.uri).toBe(rid)
    expect(JSON.parse(content?.text ?? '')).toEqual(contents)
    const got = await client.callTool({ name: 'get_knowledge', arguments: { rid } })
    expect(got.isError ?? false).toBe(false)
    expect((await client.listResources()).resources.map(({ uri }) => uri)).toContain(rid)
  },
  30_000,
)
