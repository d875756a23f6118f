import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { loadSettings, startService } from '@koi-mcp/platform'
import type { RunningService } from '@koi-mcp/platform'
import { mcpGateway } from '../src/mcp-gateway.ts'

const ISSUER = 'https://id.example.org'
const { privateKey, publicKey } = await generateKeyPair('ES256')
const keySet = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one' }] })
const issuer = createServer((_request, response) => response.end(keySet))

const tokenFor = (permissions: readonly string[], subject = 'a model') =>
  new SignJWT({ permissions })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setIssuer(ISSUER)
    .setAudience('koi-mcp')
    .setSubject(subject)
    .setExpirationTime('1m')
    .sign(privateKey)

let folder: string
let running: RunningService
let warnings: string[]

beforeAll(() => new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve)))
afterAll(() => void issuer.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'koi-gateway-'))
  warnings = []
})
afterEach(async () => {
  await running.stop()
  await rm(folder, { recursive: true })
})

const open = async (more: Record<string, string> = {}) => {
  const env = {
    KOI_MCP_NODE__PORT: '0',
    KOI_MCP_PERSISTENCE__STORAGE_PATH: folder,
    ...more,
  }
  const settings = loadSettings({ ...mcpGateway, env, readFile: () => undefined })
  const ignore = () => undefined
  const log = { debug: ignore, info: ignore, error: ignore, warn: (message: string) => void warnings.push(message) }
  running = await startService(mcpGateway, settings, log)
}

const TOKENS = () => ({
  KOI_MCP_SECURITY__ENABLE_AUTH: 'true',
  KOI_MCP_SECURITY__AUTH_PROVIDER: 'jwt',
  KOI_MCP_SECURITY__AUTH_CONFIG: JSON.stringify({
    issuer: ISSUER,
    audience: 'koi-mcp',
    jwks_url: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`,
  }),
})
const EVERYWHERE = { KOI_MCP_NODE__HOST: '0.0.0.0', KOI_MCP_NODE__BASE_URL: 'http://koi.example/koi-net' }

/** The port may be that of every address of the machine. */
const here = () => `http://127.0.0.1:${new URL(running.service.url).port}`
const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
})

/** The status that an MCP client meets; `headers` may say another host than the one called. */
const initialize = async (headers: Record<string, string> = {}, method = 'POST') => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const all = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }
    request(`${here()}/mcp`, { method, headers: all }, resolve)
      .on('error', reject)
      .end(method === 'POST' ? INITIALIZE : undefined)
  })
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

const CLIENTS = [
  [
    'the client of today',
    async (requestInit: RequestInit) => {
      const client = new Client({ name: 'test', version: '1' })
      onTestFinished(() => client.close())
      await client.connect(new StreamableHTTPClientTransport(new URL(`${here()}/mcp`), { requestInit }))
      return client
    },
  ],
  [
    'the client of 2026-07-28',
    async (requestInit: RequestInit) => {
      const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
      onTestFinished(() => client.close())
      await client.connect(new StreamableHTTPClientTransport(new URL(`${here()}/mcp`), { requestInit }))
      return client
    },
  ],
  [
    'the older client',
    async (requestInit: RequestInit) => {
      const client = new OldClient({ name: 'test', version: '1' })
      onTestFinished(() => client.close())
      await client.connect(new OldTransport(new URL(`${here()}/mcp`), { requestInit }))
      return client
    },
  ],
] as const

describe('MCP with a provider of tokens', () => {
  it.each(CLIENTS)('serves %s with a good token, and no other', async (_name, connect) => {
    await open(TOKENS())
    const headers = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
    const client = await connect(headers(await tokenFor(['knowledge:read'])))
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name)).toContain('search_knowledge')
    await expect(connect({})).rejects.toThrow(/401|Unauthorized|needs a token/)
    await expect(connect(headers('garbage'))).rejects.toThrow(/401|Unauthorized|no JSON Web Token/)
    await expect(connect(headers(await tokenFor(['knowledge:publish'])))).rejects.toThrow(
      /403|scope|needs the permission/,
    )
  })

  it('asks for it whatever the method and whoever calls', async () => {
    await open(TOKENS())
    for (const method of ['POST', 'GET', 'DELETE']) {
      const { status, headers } = await initialize({}, method)
      expect([status, headers['www-authenticate']]).toEqual([401, 'Bearer realm="koi-mcp"'])
    }
    const authorization = `Bearer ${await tokenFor(['knowledge:read'])}`
    expect((await initialize({ authorization })).status).toBe(200)
    // A web page under another name stays outside, whatever it shows.
    expect((await initialize({ authorization, origin: 'https://evil.example' })).status).toBe(403)
  })

  it('has a session of the older revisions for the user who opened it alone', async () => {
    await open(TOKENS())
    const by = async (subject: string) => ({ authorization: `Bearer ${await tokenFor(['knowledge:read'], subject)}` })
    const opened = await initialize(await by('a model'))
    expect(opened.status).toBe(200)
    const list = async (subject: string) => {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': String(opened.headers['mcp-session-id']),
        ...(await by(subject)),
      }
      const body = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' })
      return (await fetch(`${here()}/mcp`, { method: 'POST', headers, body })).status
    }
    expect(await list('a stranger')).toBe(404)
    expect(await list('a model')).toBe(200)
  })
})

describe('MCP with provider none', () => {
  const AFAR = { host: 'koi.example' }

  it('serves this machine alone', async () => {
    await open()
    expect((await initialize()).status).toBe(200)
    expect((await initialize({ 'x-forwarded-for': '10.0.0.1' })).status).toBe(403)
    expect(warnings).toEqual([])
  })

  it('serves this machine alone where the service listens for others, and says what lets them in', async () => {
    await open(EVERYWHERE)
    expect((await initialize()).status).toBe(200)
    const { status, body } = await initialize(AFAR)
    expect(status).toBe(403)
    expect(JSON.parse(body)).toMatchObject({
      message:
        'Only callers on this machine may do this; set security.publish_token (KOI_MCP_SECURITY__PUBLISH_TOKEN) to let others in, or security.allow_anonymous_mcp (KOI_MCP_SECURITY__ALLOW_ANONYMOUS_MCP) for MCP alone',
    })
    expect(warnings).toEqual([expect.stringMatching(/^only callers on this machine may use MCP: /)])
  })

  it('serves others who show the token of the configuration', async () => {
    await open({ ...EVERYWHERE, KOI_MCP_SECURITY__PUBLISH_TOKEN: 'the token of a service' })
    expect((await initialize({ ...AFAR, authorization: 'Bearer the token of a service' })).status).toBe(200)
    expect((await initialize(AFAR)).status).toBe(401)
    expect(warnings).toEqual([])
  })

  it('serves anybody where that is allowed, and says so', async () => {
    await open({ ...EVERYWHERE, KOI_MCP_SECURITY__ALLOW_ANONYMOUS_MCP: 'true' })
    expect((await initialize(AFAR)).status).toBe(200)
    expect((await fetch(`${here()}/api/status`, { headers: { 'x-forwarded-for': '10.0.0.1' } })).status).toBe(403)
    expect(warnings).toEqual([expect.stringMatching(/^MCP is open to anybody who reaches this service/)])
  })
})
