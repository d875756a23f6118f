import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { Controller, Get, Module } from '@nestjs/common'
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest'
import { RequiredPermissions } from '@koi-mcp/core'
import {
  BackupController,
  createLogger,
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  KoiMcpSettings,
  OpenWhere,
  PublishController,
  ServiceModule,
  startService,
} from '../src/index.ts'
import type { RunningService, ServiceParts } from '../src/index.ts'
import { FakeNode, NODE_RID } from './fake-node.ts'
import { AUDIENCE, ISSUER, TokenIssuer } from './token-issuer.ts'

@Module({})
class FakeModule {}

/** Says nothing of its access, but for one handler. */
@Controller('plain')
class PlainController {
  @Get()
  known() {
    return {}
  }

  @Get('both')
  @RequiredPermissions('a', 'b')
  both() {
    return {}
  }
}

@Controller('open')
@RequiredPermissions('knowledge:read')
@OpenWhere('allow_anonymous_mcp')
class OpenController {
  @Get()
  read() {
    return {}
  }
}

const SERVICE_TOKEN = 'the token of a service'

let issuer: TokenIssuer
let node: FakeNode
let running: RunningService
let lines: string[]

const parts = (): ServiceParts<FakeNode> => ({
  role: 'producer',
  createNode: () => node,
  assemble: (service) => ({
    module: {
      module: FakeModule,
      imports: [ServiceModule.for(service), HealthModule],
      controllers: [
        BackupController,
        DeadLettersController,
        KnowledgeController,
        OpenController,
        PlainController,
        PublishController,
      ],
    },
  }),
})

const open = async (security: Partial<KoiMcpSettings['security']>) => {
  node = new FakeNode()
  lines = []
  const settings = new KoiMcpSettings()
  settings.node.port = 0
  Object.assign(settings.security, security)
  const output = { write: (line: string) => void lines.push(line) }
  const log = createLogger({ level: 'debug', format: 'json', role: 'producer', output })
  running = await startService(parts(), settings, log)
}

const openWithTokens = (more: Partial<KoiMcpSettings['security']> = {}) =>
  open({
    enable_auth: true,
    auth_provider: 'jwt',
    auth_config: { issuer: ISSUER, audience: AUDIENCE, jwks_url: issuer.jwksUrl },
    ...more,
  })

interface Call {
  readonly method?: string
  readonly token?: string | undefined
  readonly headers?: Record<string, string>
  readonly body?: string
}

const call = async (path: string, { method = 'GET', token, headers = {}, body }: Call = {}) => {
  const shown = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const all = { ...(body !== undefined && { 'content-type': 'application/json' }), ...shown, ...headers }
    request(running.service.url + path, { method, headers: all }, resolve)
      .on('error', reject)
      .end(body)
  })
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
const statusOf = async (...args: Parameters<typeof call>) => (await call(...args)).status

const ENDPOINTS: readonly (readonly [permission: string, path: string, options: Call])[] = [
  ['knowledge:read', '/api/status', {}],
  ['knowledge:read', '/api/rids', {}],
  ['knowledge:read', '/api/bundle?rid=orn:a.b:c', {}],
  ['knowledge:read', '/api/search?q=a', {}],
  ['knowledge:read', '/api/events', {}],
  ['knowledge:read', '/open', {}],
  ['knowledge:publish', '/publish', { method: 'POST', body: '{"rid":"orn:a.b:c","contents":{}}' }],
  ['knowledge:publish', '/forget', { method: 'POST', body: '{"rid":"orn:a.b:c"}' }],
  ['node:admin', '/api/dead-letters', {}],
  ['node:admin', '/api/dead-letter?place=1', {}],
  ['node:admin', '/api/dead-letters/drop', { method: 'POST', body: '{"places":[1]}' }],
  ['node:admin', '/api/dead-letters/replay', { method: 'POST', body: '{"places":[1]}' }],
  ['node:admin', '/api/backup', { method: 'POST', body: '{"folder":"/backups/one"}' }],
]
const ALL = ['knowledge:read', 'knowledge:publish', 'node:admin']
/** What the node is asked by calls that are let in. */
const WORK = ['publish', 'forget', 'fillBackup', 'search']

beforeAll(async () => {
  issuer = await TokenIssuer.start()
  for (const kid of ['one', 'two']) await issuer.makeKey(kid)
  issuer.show('one')
})
afterAll(() => issuer.leave())
afterEach(() => running.stop())

describe('with a provider of tokens', () => {
  it.each(ENDPOINTS)('%s lets in to %s, and nothing else does', async (permission, path, options) => {
    await openWithTokens()
    const without = await call(path, options)
    expect([without.status, without.headers['www-authenticate'], JSON.parse(without.body)]).toEqual([
      401,
      'Bearer realm="koi-mcp"',
      { statusCode: 401, error: 'Unauthorized', message: 'This needs a token: Authorization: Bearer <token>' },
    ])
    const others = ALL.filter((name) => name !== permission)
    const lacking = await call(path, { ...options, token: await issuer.token({ permissions: others }) })
    const message = `This needs the permission ${permission}, which the token does not give`
    expect([lacking.status, lacking.headers['www-authenticate'], JSON.parse(lacking.body)]).toEqual([
      403,
      `Bearer realm="koi-mcp", error="insufficient_scope", error_description="${message}", scope="${permission}"`,
      { statusCode: 403, error: 'Forbidden', message },
    ])
    expect(node.calls.filter(([name]) => WORK.includes(name as string))).toEqual([])
    const token = await issuer.token({ permissions: [permission], exp: Math.floor(Date.now() / 1000) + 60 })
    const response = await fetch(running.service.url + path, {
      ...options,
      body: options.body ?? null,
      headers: { authorization: `bearer  ${token}`, 'content-type': 'application/json' },
    })
    expect([200, 404]).toContain(response.status)
    await response.body?.cancel()
  })

  it('says what is wrong with a token', async () => {
    await openWithTokens()
    const { status, headers, body } = await call('/api/status', { token: await issuer.token({ aud: 'other' }) })
    const message = 'The token is for another audience (aud) than this service'
    expect([status, headers['www-authenticate'], JSON.parse(body)]).toEqual([
      401,
      `Bearer realm="koi-mcp", error="invalid_token", error_description="${message}"`,
      { statusCode: 401, error: 'Unauthorized', message },
    ])
    expect(await statusOf('/api/status', { headers: { authorization: 'Basic YWRhOmFkYQ==' } })).toBe(401)
    expect(await statusOf('/api/status', { headers: { authorization: 'Bearer' } })).toBe(401)
    expect(await statusOf('/api/status', { token: 'a b' })).toBe(401)
    expect(await statusOf('/api/status', { token: 'x'.repeat(10_000) })).toBe(401)
    expect(await statusOf('/api/status', { token: 'x'.repeat(20_000) })).toBe(431)
  })

  it('does not read the body of a stranger', async () => {
    await openWithTokens()
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': 16 * 1024 * 1024 }
      const asked = request(`${running.service.url}/publish`, { method: 'POST', headers }, (response) => {
        resolve(response.statusCode)
        asked.destroy()
      }).on('error', reject)
      // The rest never comes.
      asked.write('{')
    })
    expect(status).toBe(401)
  })

  it('asks every handler’s callers for who they are, and for all that it names', async () => {
    await openWithTokens()
    expect(await statusOf('/plain')).toBe(401)
    expect(await statusOf('/plain', { token: await issuer.token() })).toBe(200)
    const { status, body } = await call('/plain/both', { token: await issuer.token() })
    expect([status, JSON.parse(body)]).toMatchObject([
      403,
      { message: 'This needs the permissions a, b, which the token does not give' },
    ])
    expect(await statusOf('/plain/both', { token: await issuer.token({ scope: 'b' }) })).toBe(403)
    expect(await statusOf('/plain/both', { token: await issuer.token({ scope: 'b a' }) })).toBe(200)
  })

  it('counts nobody as let in for calling from this machine', async () => {
    await openWithTokens({ publish_token: SERVICE_TOKEN })
    expect(await statusOf('/api/status', { headers: { host: 'localhost' } })).toBe(401)
    const token = await issuer.token({ permissions: ['knowledge:read'] })
    const headers = { host: 'koi.example', origin: 'https://page.example', 'x-forwarded-for': '10.0.0.1' }
    expect(await statusOf('/api/status', { token, headers })).toBe(200)
  })

  it('lets services in with the token of the configuration, to everything', async () => {
    await openWithTokens({ publish_token: SERVICE_TOKEN })
    for (const [, path, options] of ENDPOINTS.filter(([, path]) => path !== '/api/events')) {
      expect([200, 404]).toContain(await statusOf(path, { ...options, token: SERVICE_TOKEN }))
    }
    expect(await statusOf('/api/status', { token: `${SERVICE_TOKEN}.` })).toBe(401)
  })

  it('leaves health and KOI-net open', async () => {
    await openWithTokens()
    const post = { method: 'POST', body: '{}' }
    expect(await Promise.all(['/livez', '/readyz', '/.well-known/koi-net.json'].map((path) => statusOf(path)))).toEqual(
      [200, 200, 200],
    )
    expect((await call('/.well-known/koi-net.json')).body).toContain(NODE_RID)
    expect(await statusOf('/koi-net/events/poll', post)).toBe(200)
  })

  it('makes callers come again while the keys cannot be had, and no token is at fault', async () => {
    await openWithTokens()
    const known = await issuer.token({ permissions: ['knowledge:read'] })
    expect(await statusOf('/api/status', { token: known })).toBe(200)
    issuer.answer = (response) => response.writeHead(500).end()
    const { status, headers, body } = await call('/api/status', { token: await issuer.token({}, { kid: 'two' }) })
    issuer.answer = undefined
    const message = 'The keys of the issuer of tokens cannot be had now, try again'
    expect([status, headers['retry-after'], headers['www-authenticate'], JSON.parse(body)]).toEqual([
      503,
      '5',
      undefined,
      { statusCode: 503, error: 'Service Unavailable', message },
    ])
    expect(await statusOf('/api/status', { token: known })).toBe(200)
    expect((await call('/readyz')).status).toBe(200)
  })

  it('starts although the keys cannot be had', async () => {
    issuer.answer = (response) => response.destroy()
    await openWithTokens()
    expect(await statusOf('/readyz')).toBe(200)
    const token = await issuer.token()
    await expect.poll(() => statusOf('/plain', { token })).toBe(503)
    issuer.answer = undefined
  })

  it('ends a stream with the token that it was asked for with', async () => {
    await openWithTokens()
    // Tolerance included, it lasts for some ten seconds: on a slow machine too the stream stands before.
    const token = await issuer.token({ permissions: ['knowledge:read'], exp: Date.now() / 1000 + 5 })
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${running.service.url}/api/events`, { headers })
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow()
    await expect.poll(() => node.listeners).toBe(0)
  })

  it('writes nothing of a token into its log', async () => {
    await openWithTokens({ publish_token: SERVICE_TOKEN })
    const tokens = await Promise.all([
      issuer.token({ permissions: ALL }),
      issuer.token({ permissions: [] }),
      issuer.token({ iss: 'geheim' }),
      issuer.token({ exp: 1 }),
      issuer.token({}, { kid: 'two' }),
      issuer.sign('geheim'),
    ])
    for (const token of [...tokens, SERVICE_TOKEN, 'geheim']) {
      for (const [, path, options] of ENDPOINTS.filter(([, path]) => path !== '/api/events')) {
        await call(path, { ...options, token })
      }
      await call('/koi-net/nothing', { token })
      await call('/nothing', { token, method: 'POST', body: '{' })
    }
    const log = lines.join('')
    expect(lines.length).toBeGreaterThan(100)
    for (const part of [...tokens.flatMap((token) => token.split('.').slice(1)), SERVICE_TOKEN, 'geheim']) {
      expect(log).not.toContain(part)
    }
  })
})

describe('with provider none', () => {
  const afar = { host: 'koi.example' }

  it('lets in callers on this machine, to everything', async () => {
    await open({})
    for (const [, path, options] of ENDPOINTS.filter(([, path]) => path !== '/api/events')) {
      expect([200, 404]).toContain(await statusOf(path, options))
      expect(await statusOf(path, { ...options, headers: afar })).toBe(403)
    }
    expect(await statusOf('/plain/both')).toBe(200)
  })

  it('lets in who shows the token of the configuration', async () => {
    await open({ publish_token: SERVICE_TOKEN })
    expect(await statusOf('/api/status', { headers: afar, token: SERVICE_TOKEN })).toBe(200)
    expect(await statusOf('/api/status', { headers: afar })).toBe(401)
    expect(await statusOf('/api/status', { token: 'wrong' })).toBe(401)
  })

  it('says which settings let others in', async () => {
    await open({})
    const messageOf = async (...args: Parameters<typeof call>) =>
      (JSON.parse((await call(...args)).body) as { message: string }).message
    const token = 'security.publish_token (KOI_MCP_SECURITY__PUBLISH_TOKEN)'
    expect(await messageOf('/api/status', { headers: afar })).toBe(
      `Only callers on this machine may do this; set ${token} to let others in`,
    )
    expect(await messageOf('/open', { headers: afar })).toBe(
      `Only callers on this machine may do this; set ${token} to let others in`,
    )
    expect(await messageOf('/api/status', { token: 'x' })).toBe(
      'This service has no token (security.publish_token): call without one',
    )
  })

  it('opens to everybody what a setting opens', async () => {
    await open({ allow_anonymous_mcp: true })
    expect(await statusOf('/open', { headers: afar })).toBe(200)
    expect(await statusOf('/open', { headers: { 'x-forwarded-for': '10.0.0.1' }, token: 'x' })).toBe(200)
    expect(await statusOf('/api/status', { headers: afar })).toBe(403)
  })
})
