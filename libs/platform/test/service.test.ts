import { request } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { text } from 'node:stream/consumers'
import { Module } from '@nestjs/common'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DeadLetter } from '@koi-mcp/core'
import { BackupError, PublishError, SchemaError, silentLogger, StoreError } from '@koi-mcp/core'
import { asRid, edgeProfileContents, edgeRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import {
  BackupController,
  DeadLettersController,
  HealthModule,
  KnowledgeController,
  KoiMcpSettings,
  PublishController,
  ServiceModule,
  startService,
} from '../src/index.ts'
import type { RunningService, ServiceParts } from '../src/index.ts'
import { FakeNode, NODE_RID, stored } from './fake-node.ts'

@Module({})
class FakeModule {}

const TOKEN = 'a-token-of-a-test'

const parts = (node: FakeNode): ServiceParts<FakeNode> => ({
  role: 'producer',
  createNode: () => node,
  assemble: (service) => ({
    module: {
      module: FakeModule,
      imports: [ServiceModule.for(service), HealthModule],
      controllers: [BackupController, DeadLettersController, KnowledgeController, PublishController],
    },
  }),
})

const settingsFor = (change: (settings: KoiMcpSettings) => void = () => undefined): KoiMcpSettings => {
  const settings = new KoiMcpSettings()
  settings.node.port = 0
  change(settings)
  return settings
}

let node: FakeNode
let running: RunningService
let url: string

const open = async (settings = settingsFor()) => {
  node = new FakeNode()
  running = await startService(parts(node), settings, silentLogger)
  url = running.service.url
}

const call = async (path: string, options: RequestInit = {}) => {
  const response = await fetch(url + path, options)
  return { status: response.status, body: await response.text(), headers: response.headers }
}
const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  call(path, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })

/** As `call`, with what `fetch` does not let one say: Host, Origin. */
const rawCall = async (path: string, options: RequestOptions) => {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request(url + path, options, resolve)
      .on('error', reject)
      .end()
  })
  return { status: response.statusCode, body: await text(response) }
}

const error = (statusCode: number, name: string, message: string, fields?: object) => ({
  statusCode,
  error: name,
  message,
  ...(fields && { fields }),
})

beforeEach(() => open())
afterEach(() => running.stop())

describe('KOI-net', () => {
  it('hands the bytes of the body to the node, whatever they are, and its reply to the caller', async () => {
    node.replies = () =>
      Promise.resolve({ status: 400, contentType: 'application/json', retryAfter: 3, body: '{"n":1.0}' })
    const { status, body, headers } = await post('/koi-net/events/broadcast?x=1', Uint8Array.of(0xff, 0x00, 0x7b))
    expect([status, body, headers.get('content-type'), headers.get('retry-after')]).toEqual([
      400,
      '{"n":1.0}',
      'application/json',
      '3',
    ])
    expect(node.calls).toContainEqual(['handleRequest', '/events/broadcast', '\u00ff\u0000{'])
  })

  it('tells the node when its reply was sent', async () => {
    const sent = new Promise<boolean>((resolve) => {
      const finished = (ok: boolean) => Promise.resolve(resolve(ok))
      node.replies = () => Promise.resolve({ status: 200, contentType: 'application/json', body: '{}', finished })
    })
    await post('/koi-net/events/poll', '{}')
    expect(await sent).toBe(true)
  })

  it('tells the node when its reply could not be sent', async () => {
    const sent = new Promise<boolean>((resolve) => {
      const finished = (ok: boolean) => Promise.resolve(resolve(ok))
      const body = 'x'.repeat(64 * 1024 * 1024)
      node.replies = () => Promise.resolve({ status: 200, contentType: 'application/json', body, finished })
    })
    const headers = { 'content-type': 'application/json' }
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${url}/koi-net/events/poll`, { method: 'POST', headers }, resolve).on('error', reject).end('{}')
    })
    response.destroy()
    expect(await sent).toBe(false)
  })

  it('answers 4xx in JSON to what is too large, of another type, or no path at all', async () => {
    const large = await post('/koi-net/events/broadcast', new Uint8Array(16 * 1024 * 1024 + 1))
    expect([large.status, JSON.parse(large.body)]).toEqual([413, { detail: 'The body is longer than 16777216 bytes' }])
    const form = await post('/koi-net/events/broadcast', 'a=b', { 'content-type': 'text/plain' })
    expect(form.status).toBe(415)
    expect((await call('/koi-net/events/broadcast')).status).toBe(405)
    expect(node.calls.filter(([name]) => name === 'handleRequest')).toEqual([])
  })

  it('says which node it is', async () => {
    expect((await call('/.well-known/koi-net.json')).body).toBe(`{"rid":"${NODE_RID}"}`)
  })

  it('tells the caller nothing of the inside when the node fails', async () => {
    node.replies = () => Promise.reject(new Error('secret path'))
    const { status, body } = await post('/koi-net/events/poll', '{}')
    expect([status, JSON.parse(body)]).toEqual([500, { detail: 'Internal Server Error' }])
  })
})

describe('health', () => {
  it('is alive and ready', async () => {
    expect((await call('/livez')).status).toBe(200)
    const { status, body } = await call('/readyz')
    expect([status, JSON.parse(body)]).toEqual([
      200,
      {
        status: 'ok',
        info: { service: { status: 'up' }, dependencies: { status: 'up' } },
        error: {},
        details: { service: { status: 'up' }, dependencies: { status: 'up' } },
      },
    ])
  })

  it('shows a lost dependency and stays ready', async () => {
    const lost = async () => {
      const { status, body } = await call('/readyz')
      return [status, JSON.parse(body)]
    }
    const degraded = (...names: string[]) => [
      200,
      { status: 'degraded', info: { dependencies: { status: 'degraded', lost: names } } },
    ]
    node.queue.state = 'away'
    expect(await lost()).toMatchObject(degraded('queue'))
    node.failing = new StoreError('UNAVAILABLE', 'gone')
    expect(await lost()).toMatchObject(degraded('store', 'queue'))
    // A server that is there and says nothing.
    node.store.lastChange = () => new Promise(() => undefined)
    expect(await lost()).toMatchObject(degraded('store', 'queue'))
  })

  it('is not ready while it starts', async () => {
    const starting = new FakeNode()
    let seen: { status: number; body: string }[] = []
    const { promise, resolve } = Promise.withResolvers<string>()
    starting.start = async () => {
      const at = await promise
      const paths = ['/livez', '/readyz', '/api/status']
      seen = await Promise.all(
        paths.map(async (path) => fetch(at + path).then(async (r) => ({ status: r.status, body: await r.text() }))),
      )
    }
    const definition = parts(starting)
    const second = await startService(
      { ...definition, assemble: (service) => (resolve(service.url), definition.assemble(service)) },
      settingsFor(),
      silentLogger,
    )
    await second.stop()
    expect(seen.map(({ status }) => status)).toEqual([200, 503, 503])
    expect(JSON.parse(seen[1]?.body ?? '')).toMatchObject({
      statusCode: 503,
      error: { service: { status: 'down', message: 'starting' } },
    })
  })
})

describe('the knowledge API', () => {
  const RIDS = ['orn:a.b:1', 'orn:a.b:a b/50% #1*[x]/ü+.csv', 'orn:a.b:z']

  beforeEach(() => {
    node.bundles = RIDS.map((rid, index) =>
      stored(rid, '{"n":1.0,"big":12345678901234567890,"__proto__":{"2":1,"1":2}}', index),
    )
  })

  it('lists RIDs page by page', async () => {
    const first = JSON.parse((await call('/api/rids?limit=2')).body) as { rids: string[]; next: string }
    expect(first).toEqual({ rids: RIDS.slice(0, 2), next: RIDS[1] })
    const second = await call(`/api/rids?limit=2&after=${encodeURIComponent(first.next)}`)
    expect(JSON.parse(second.body)).toEqual({ rids: RIDS.slice(2), next: null })
  })

  it('serves contents as the text that was received, under any RID', async () => {
    const rid = RIDS[1] ?? ''
    const { body } = await call(`/api/bundle?${new URLSearchParams({ rid }).toString()}`)
    const { manifest } = node.bundles[1]!.bundle
    expect(body).toBe(
      `{"rid":"${rid}","origin":null,"seq":1,"manifest":${manifest.text},"contents":{"n":1.0,"big":12345678901234567890,"__proto__":{"2":1,"1":2}}}`,
    )
  })

  it('says what is wrong with a parameter', async () => {
    const answer = async (path: string) => JSON.parse((await call(path)).body) as unknown
    const problem = (path: string, message: string) =>
      error(400, 'Bad Request', `The parameter ${path} ${message}`, [{ path, message }])
    expect(await answer('/api/bundle')).toEqual(problem('rid', 'is missing'))
    expect(await answer('/api/rids?limit=-1')).toEqual(problem('limit', 'must be a whole number from 0 to 1000'))
    expect(await answer('/api/bundle?rid=a&rid=b')).toEqual(problem('rid', 'is given more than once'))
    expect(await answer('/api/rids?after=x')).toMatchObject({ statusCode: 400, fields: [{ path: 'after' }] })
    expect(await answer('/api/bundle?rid=orn:a.b:x+y')).toEqual(
      error(404, 'Not Found', 'This node knows no such RID; in a query a + means a space, write %2B for it', [
        { path: 'rid', message: 'is not known here' },
      ]),
    )
  })

  it('searches', async () => {
    expect(JSON.parse((await call('/api/search?q=a%20b&types=orn:a.b&types=https&limit=5')).body)).toEqual({
      total: 0,
      hits: [],
    })
    expect(node.calls).toContainEqual(['search', 'a b', { types: ['orn:a.b', 'https'], limit: 5, offset: 0 }])
  })

  it('tells the state of the service', async () => {
    expect(JSON.parse((await call('/api/status')).body)).toEqual({
      role: 'producer',
      name: 'fake',
      version: '0.1.0',
      node_rid: NODE_RID,
      base_url: 'http://fake/koi-net',
      state: 'ready',
      degraded: [],
      counts: { total: 3, by_type: { 'orn:a.b': 3 } },
      queues: {
        inbox: { pending: 2, dead_letters: 1 },
        outbox: { queued: 0, targets: 0, oldest_at: null, lapsed_targets: 0 },
      },
      peers: [],
    })
  })

  it('tells whose events wait since when, and whose were given up', async () => {
    const [slow, gone] = ['slow', 'gone'].map((name) => asRid(`orn:koi-net.node:${name}+${'1'.repeat(64)}`)) as [
      Rid,
      Rid,
    ]
    node.outbox = [{ target: slow, queued: 3, oldestAt: 60_000, failures: 2, lastError: 'away' }]
    node.lapsed = [{ target: gone, lapsedAt: 120_000, resumed: false, lastError: 'gone' }]
    node.graph.nodes = () => [NODE_RID, slow, gone]
    const { queues, peers } = JSON.parse((await call('/api/status')).body) as {
      queues: { outbox: unknown }
      peers: unknown[]
    }
    expect(queues.outbox).toEqual({ queued: 3, targets: 1, oldest_at: '1970-01-01T00:01:00.000Z', lapsed_targets: 1 })
    const peer = { node_type: 'unknown', base_url: null, edges: [] }
    const waiting = { queued: 3, queued_since: '1970-01-01T00:01:00.000Z', failures: 2, last_error: 'away' }
    const given = { queued: 0, queued_since: null, failures: 0, last_error: 'gone' }
    expect(peers).toEqual([
      { rid: slow, ...peer, ...waiting, lapsed_since: null },
      { rid: gone, ...peer, ...given, lapsed_since: '1970-01-01T00:02:00.000Z' },
    ])
  })

  it('streams events, and forgets a reader who goes', async () => {
    const reader = new AbortController()
    const response = await fetch(`${url}/api/events`, { signal: reader.signal })
    const chunks = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await chunks.read()).value).toBe(': events from now on\n\n')
    const began = Date.now()
    let unread = ''
    const next = async () => {
      while (!unread.includes('\n\n')) unread += (await chunks.read()).value ?? ''
      const { at, ...event } = JSON.parse(/^data: (.*)\n\n/.exec(unread)?.[1] ?? '') as { at: number }
      unread = unread.slice(unread.indexOf('\n\n') + 2)
      expect(at).toBeGreaterThanOrEqual(began)
      return event
    }
    const subscriber = asRid(`orn:koi-net.node:other+${'1'.repeat(64)}`)
    const rid_types = ['orn:a.b']
    const edge = { source: NODE_RID, target: subscriber, edge_type: 'WEBHOOK', status: 'APPROVED', rid_types } as const
    const rid = edgeRid(NODE_RID, subscriber)
    node.bundles = [stored(rid, edgeProfileContents(edge).text)]
    node.change({ seq: 1, rid, eventType: 'UPDATE' })
    node.change({ seq: 2, rid: asRid('orn:a.b:\n'), eventType: 'NEW', origin: NODE_RID })
    expect(await next()).toEqual({
      kind: 'edge',
      rid,
      rid_type: 'orn:koi-net.edge',
      edge: { provider: NODE_RID, subscriber, status: 'APPROVED', rid_types },
    })
    expect(await next()).toEqual({ kind: 'new', rid: 'orn:a.b:\n', rid_type: 'orn:a.b', peer: NODE_RID })
    reader.abort()
    await expect.poll(() => node.listeners).toBe(0)
  })
})

describe('publishing', () => {
  it('publishes and forgets', async () => {
    const body = '{"rid":"orn:a.b:c", "contents": {"b": 2.0, "a": 12345678901234567890}}'
    const published = await post('/publish', body, { 'idempotency-key': 'k1' })
    expect([published.status, published.body]).toEqual([200, '{"rid":"orn:a.b:c","place":7}'])
    const given = JSON.stringify({ rid: 'orn:a.b:c', contentsText: '{"b":2.0,"a":12345678901234567890}' })
    expect(node.calls).toContainEqual(['publish', given, { idempotencyKey: 'k1' }])
    const forgotten = await post('/forget', '{"rid":"orn:a.b:c"}')
    expect([forgotten.status, forgotten.body]).toEqual([200, '{"rid":"orn:a.b:c"}'])
    expect(node.calls).toContainEqual(['forget', 'orn:a.b:c'])
  })

  it('names the fields at fault', async () => {
    const fields = async (body: string) =>
      (JSON.parse((await post('/publish', body)).body) as { fields?: unknown }).fields
    expect(await fields('{"rid":1,"contents":[],"x":2}')).toEqual([
      { path: 'rid', message: 'must be text' },
      { path: 'contents', message: 'must be an object' },
      { path: 'x', message: 'is not known beside rid and contents' },
    ])
    expect(await fields('{"schema":"Nothing","object":{}}')).toEqual([
      { path: 'schema', message: 'must be one of DatasetMetadata' },
    ])
    node.failing = new SchemaError('DatasetMetadata', [
      'columns[2].type must be text',
      'each value in tags must be text',
    ])
    expect(await fields('{"schema":"DatasetMetadata","object":{}}')).toEqual([
      { path: 'columns[2].type', message: 'must be text' },
      { path: 'tags', message: 'must be text' },
    ])
    node.failing = new PublishError('too long')
    expect((await post('/publish', '{"rid":"a:b","contents":{}}')).status).toBe(400)
    for (const body of ['', '[]', '{', '{"rid":"a:b","rid":"a:c","contents":{}}', '"\\ud800"']) {
      expect((await post('/publish', body)).status).toBe(400)
    }
    expect((await post('/publish', '{"rid":"a:b","contents":{}}', { 'idempotency-key': 'a b' })).status).toBe(400)
  })

  it("forgets neither the network nor other nodes' knowledge", async () => {
    node.bundles = [{ ...stored('orn:a.b:c', '{}'), origin: NODE_RID }]
    expect((await post('/forget', `{"rid":"${NODE_RID}"}`)).status).toBe(400)
    expect((await post('/forget', '{"rid":"orn:a.b:c"}')).status).toBe(409)
    expect(node.calls.filter(([name]) => name === 'forget')).toEqual([])
  })

  it.each([
    ['FULL', 'The disk of this node is full'],
    ['DAMAGED', 'The store of this node is damaged; its log says what to do'],
  ] as const)('says so when the store is %s, and when to come again', async (code, message) => {
    node.failing = new StoreError(code, 'inside')
    const { status, body, headers } = await post('/publish', '{"rid":"a:b","contents":{}}')
    expect([status, headers.get('retry-after'), JSON.parse(body)]).toEqual([
      503,
      '1',
      error(503, 'Service Unavailable', message),
    ])
  })
})

describe('a backup', () => {
  it('is written by the node into the folder named', async () => {
    const { status, body } = await post('/api/backup', '{"folder":"/backups/one"}')
    expect([status, JSON.parse(body)]).toEqual([
      200,
      { format: 1, node_rid: NODE_RID, at: '2026-01-02T03:04:05.000Z', parts: [] },
    ])
    expect(node.calls).toContainEqual(['fillBackup', '/backups/one'])
  })

  it('says what is wrong with the folder', async () => {
    const relative = await post('/api/backup', '{"folder":"one"}')
    expect([relative.status, JSON.parse(relative.body)]).toMatchObject([400, { fields: [{ path: 'folder' }] }])
    node.failing = new BackupError('/backups/one is not empty')
    const taken = await post('/api/backup', '{"folder":"/backups/one"}')
    expect([taken.status, JSON.parse(taken.body)]).toEqual([409, error(409, 'Conflict', '/backups/one is not empty')])
    expect((await post('/api/backup', '{"folder":"/x"}', { 'x-forwarded-for': '10.0.0.1' })).status).toBe(403)
  })
})

describe('dead letters', () => {
  const letter = (place: number, text = '{"n":1.0}'): DeadLetter => {
    const { rid, bundle } = stored(`orn:a.b:${place}`, text)
    const history = [
      { at: 1_000, error: 'busy' },
      { at: 2_000, error: 'broken' },
    ]
    const arrival = { rid, eventType: 'NEW', ...bundle, source: NODE_RID } as const
    return { place, arrival, error: 'broken', phase: 'received', attempts: 2, failedAt: 2_000, history }
  }
  const summary = (place: number) => ({
    place,
    rid: `orn:a.b:${place}`,
    event_type: 'NEW',
    source: NODE_RID,
    phase: 'received',
    attempts: 2,
    failed_at: '1970-01-01T00:00:02.000Z',
    error: 'broken',
  })
  const json = async (path: string, body?: object) => {
    const reply = await (body === undefined ? call(path) : post(path, JSON.stringify(body)))
    return [reply.status, JSON.parse(reply.body)] as [number, unknown]
  }
  beforeEach(() => {
    node.letters = [3, 5, 8].map((place) => letter(place))
  })

  it('are listed page by page, without what they carry', async () => {
    expect(await json('/api/dead-letters?limit=2')).toEqual([200, { dead_letters: [summary(3), summary(5)], next: 5 }])
    expect(await json('/api/dead-letters?after=5')).toEqual([200, { dead_letters: [summary(8)], next: null }])
    node.letters = []
    expect(await json('/api/dead-letters')).toEqual([200, { dead_letters: [], next: null }])
  })

  it('are shown whole, every digit as it was received', async () => {
    const { body } = await call('/api/dead-letter?place=5')
    const history = [
      { at: '1970-01-01T00:00:01.000Z', error: 'busy' },
      { at: '1970-01-01T00:00:02.000Z', error: 'broken' },
    ]
    const manifest = JSON.parse(letter(5).arrival.manifest?.text ?? '') as object
    expect(JSON.parse(body)).toEqual({ ...summary(5), history, manifest, contents: { n: 1 } })
    expect(body.endsWith(',"contents":{"n":1.0}}')).toBe(true)
    expect((await json('/api/dead-letter?place=4'))[0]).toBe(404)
    expect((await json('/api/dead-letter'))[0]).toBe(404)
    expect((await json('/api/dead-letter?place=x'))[0]).toBe(400)
  })

  it('show what an event without contents did not carry as null', async () => {
    node.letters = [{ ...letter(9), arrival: { rid: asRid('orn:a.b:c') } }]
    expect(JSON.parse((await call('/api/dead-letter?place=9')).body)).toMatchObject({
      rid: 'orn:a.b:c',
      event_type: null,
      source: null,
      manifest: null,
      contents: null,
    })
  })

  it('are replayed and dropped by their places', async () => {
    expect(await json('/api/dead-letters/replay', { places: [3, 4] })).toEqual([
      200,
      { replayed: [{ place: 3, to: 1_003 }], missing: [4] },
    ])
    expect(await json('/api/dead-letters/drop', { places: [8, 3] })).toEqual([200, { dropped: [8], missing: [3] }])
    expect(node.letters.map(({ place }) => place)).toEqual([5])
  })

  const LIST = 'must be a list of 1 to 1000 places, whole numbers above 0'
  it.each([
    [{}, 'places', LIST],
    [{ places: [] }, 'places', LIST],
    [{ places: [1.5] }, 'places', LIST],
    [{ places: ['1'] }, 'places', LIST],
    [{ places: [0] }, 'places', LIST],
    [{ places: Array(1_001).fill(1) }, 'places', LIST],
    [{ places: [3], all: true }, 'all', 'is not known'],
  ])('are left alone by the body %j', async (body, path, message) => {
    const fields = [{ path, message }]
    expect(await json('/api/dead-letters/drop', body)).toMatchObject([400, { fields }])
    expect(await json('/api/dead-letters/replay', body)).toMatchObject([400, { fields }])
    expect(node.letters).toHaveLength(3)
  })

  it('are nobody else’s business', async () => {
    const headers = { 'x-forwarded-for': '10.0.0.1' }
    expect((await rawCall('/api/dead-letters', { headers })).status).toBe(403)
    expect((await post('/api/dead-letters/drop', '{"places":[3]}', headers)).status).toBe(403)
    expect(node.letters).toHaveLength(3)
  })
})

describe('access', () => {
  it('lets in who calls from this machine, and no web page, other host name or forwarded caller', async () => {
    const status = async (headers: Record<string, string>) => (await rawCall('/api/status', { headers })).status
    expect(await status({})).toBe(200)
    expect(await status({ origin: 'http://localhost:3000' })).toBe(200)
    expect(await status({ origin: 'https://evil.example' })).toBe(403)
    expect(await status({ origin: 'null' })).toBe(403)
    expect(await status({ host: 'evil.example:80' })).toBe(403)
    expect(await status({ 'x-forwarded-for': '10.0.0.1' })).toBe(403)
    expect((await rawCall('/readyz', { headers: { host: 'evil.example' } })).status).toBe(200)
  })

  it('lets in who shows the token, from anywhere', async () => {
    await running.stop()
    await open(settingsFor((settings) => (settings.security.publish_token = TOKEN)))
    const status = async (headers: Record<string, string>) => (await rawCall('/api/status', { headers })).status
    expect(await status({ host: 'koi.example', authorization: `Bearer ${TOKEN}` })).toBe(200)
    expect(await status({ host: 'koi.example' })).toBe(401)
    expect(await status({ authorization: 'Bearer wrong' })).toBe(401)
    expect(await status({})).toBe(200)
  })
})

describe('stopping', () => {
  it('lets what runs end, ends streams, and stops the node last', async () => {
    const { promise: asked, resolve: ask } = Promise.withResolvers<undefined>()
    const { promise: answer, resolve: release } = Promise.withResolvers<undefined>()
    node.replies = async () => {
      ask(undefined)
      await answer
      node.calls.push(['answered'])
      return { status: 200, contentType: 'application/json', body: 'null' }
    }
    const stream = await fetch(`${url}/api/events`)
    const slow = post('/koi-net/events/poll', '{}')
    await asked
    const stopped = running.stop()
    await stream.text()
    release(undefined)
    expect((await slow).body).toBe('null')
    await stopped
    expect(node.calls.slice(-2)).toEqual([['answered'], ['stop']])
    await expect(fetch(`${url}/livez`)).rejects.toThrow()
  })

  it('undoes what was started when a step fails', async () => {
    const failing = new FakeNode()
    failing.start = () => Promise.reject(new StoreError('BUSY', 'in use by process 1'))
    let at = ''
    const definition = parts(failing)
    const start = startService(
      { ...definition, assemble: (service) => ((at = service.url), definition.assemble(service)) },
      settingsFor(),
      silentLogger,
    )
    await expect(start).rejects.toThrow('in use by process 1')
    expect(failing.calls).toEqual([['stop']])
    await expect(fetch(`${at}/livez`)).rejects.toThrow()
  })

  it('finds a busy port before it touches anything', async () => {
    const second = new FakeNode()
    const port = Number(new URL(url).port)
    await expect(
      startService(
        parts(second),
        settingsFor((settings) => (settings.node.port = port)),
        silentLogger,
      ),
    ).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    expect(second.calls).toEqual([])
  })
})
