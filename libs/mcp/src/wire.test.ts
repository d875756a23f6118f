import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { describe, expect, onTestFinished, test } from 'vitest'
import type { AdapterTool } from '@koi-mcp/core'

import { FakeKnowledge } from '../test/fake-knowledge.ts'
import { initialize, JSON_HEADERS, messagesOf, open, rawSession, rpc, send, stateless } from '../test/raw.ts'
import { served, until } from '../test/served.ts'
import { createMcpHandler } from './mcp-handler.ts'

const RID = 'orn:data-catalog.dataset:a'
const LONG_RID = `x:${'y'.repeat(2000)}`
const CHANGES = 10_000
const refusal = (code: number) => ({ jsonrpc: '2.0', error: { code, message: expect.any(String) as string }, id: null })

describe('what is refused at the door', () => {
  test.each([
    ['a host name of a stranger', { headers: { ...JSON_HEADERS, host: 'evil.example' } }, 403, -32000],
    ['a page of a stranger', { headers: { ...JSON_HEADERS, origin: 'https://evil.example' } }, 403, -32000],
    ['a sandboxed page', { headers: { ...JSON_HEADERS, origin: 'null' } }, 403, -32000],
    ['a body that is no JSON by its type', { headers: { ...JSON_HEADERS, 'content-type': 'text/plain' } }, 415, -32000],
    ['a body that is no JSON', { body: '{' }, 400, -32700],
    ['an empty body', { body: '' }, 400, -32700],
    ['a body that is too large', { body: JSON.stringify({ x: 'x'.repeat(1024 * 1024) }) }, 413, -32000],
    ['an initialize that is too large', { body: initialize('x'.repeat(70_000)) }, 413, -32000],
    ['a request without a session', { body: rpc('tools/list') }, 400, -32000],
    ['a stream without a session', { method: 'GET', body: undefined }, 405, -32000],
    ['another method', { method: 'PUT' }, 405, -32000],
    ['a session that is not ours', { headers: { ...JSON_HEADERS, 'mcp-session-id': 'x' } }, 404, -32001],
  ])('%s', async (_what, given, status, code) => {
    const { url } = await served()
    const answer = await send(url, { body: rpc('tools/list'), ...given })
    expect({ status: answer.status, body: answer.json }).toEqual({ status, body: refusal(code) })
  })

  test('names that the operator allows are served, and their pages', async () => {
    const { url } = await served({ allowedHosts: ['koi.example'] })
    const headers = { ...JSON_HEADERS, host: 'koi.example:8080', origin: 'https://koi.example' }
    expect((await send(url, { headers, body: initialize('2025-11-25') })).status).toBe(200)
    expect((await send(url, { body: initialize('2025-11-25') })).status).toBe(403)
  })

  test('any name is served where the operator allows any, but no page of a stranger', async () => {
    const { url } = await served({ allowedHosts: ['*'] })
    const headers = { ...JSON_HEADERS, host: 'whatever.example' }
    expect((await send(url, { headers, body: initialize('2025-11-25') })).status).toBe(200)
    const page = { ...headers, origin: 'https://whatever.example' }
    expect((await send(url, { headers: page, body: initialize('2025-11-25') })).status).toBe(403)
  })
})

describe('the older revisions', () => {
  test.each(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])('%s is spoken', async (version) => {
    const { url } = await served()
    const answer = await send(url, { body: initialize(version) })
    expect(answer.json.result).toMatchObject({ protocolVersion: version, serverInfo: { name: 'test-gateway' } })
  })

  test('another revision is answered with the latest of them', async () => {
    const { url } = await served()
    expect((await send(url, { body: initialize('2026-07-28') })).json.result['protocolVersion']).toBe('2025-11-25')
  })

  test('a resource that is not found is -32002', async () => {
    const { url } = await served()
    const { call } = await rawSession(url)
    expect((await call('resources/read', { uri: RID })).json).toEqual({
      jsonrpc: '2.0',
      id: 1,
      error: { code: -32002, message: expect.any(String) as string, data: { uri: RID } },
    })
  })

  test.each([
    ['2025-06-18', ['text', 'resource_link']],
    ['2025-03-26', ['text']],
  ])('%s gets the content blocks it knows', async (version, types) => {
    const { url, knowledge } = await served()
    knowledge.put(RID, { name: 'Births' })
    const { call } = await rawSession(url, version)
    const { json } = await call('tools/call', { name: 'search_knowledge', arguments: { query: 'Births' } })
    expect(json.result['content']).toMatchObject(types.map((type) => ({ type })))
  })

  test('the head of a stream comes at once', async () => {
    const { url } = await served()
    const stream = await (await rawSession(url)).stream()
    expect([stream.statusCode, stream.headers['content-type']]).toEqual([200, 'text/event-stream'])
  })

  test('what changed while no stream was open is told when one opens, once', async () => {
    const { url, knowledge } = await served()
    const session = await rawSession(url)
    await session.call('resources/subscribe', { uri: RID })
    knowledge.put(RID, { v: 1 })
    knowledge.put(RID, { v: 2 })
    const messages = messagesOf(await session.stream())
    await until(() => messages.length === 2)
    expect(messages).toEqual([
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: RID } },
      { jsonrpc: '2.0', method: 'notifications/resources/list_changed' },
    ])
  })

  test('a stream that broke makes room for the next, and so does one that did not say so', async () => {
    const { url, knowledge } = await served()
    const session = await rawSession(url)
    await session.call('resources/subscribe', { uri: RID })
    const broken = await session.stream()
    broken.destroy()
    const silent = await session.stream()
    const ended = once(silent.resume(), 'end')
    const messages = messagesOf(await session.stream())
    await ended
    knowledge.put(RID, { v: 1 })
    await until(() => messages.length === 2)
  })

  test('a bundle that only changed does not change the list', async () => {
    const { url, knowledge } = await served()
    knowledge.put(RID, { v: 1 })
    const session = await rawSession(url)
    const messages = messagesOf(await session.stream())
    await session.call('resources/subscribe', { uri: RID })
    knowledge.put(RID, { v: 2 })
    knowledge.put(RID, { v: 3 })
    knowledge.put('orn:data-catalog.dataset:b', {})
    await until(() => messages.length === 3)
    const updated = 'notifications/resources/updated'
    const methods = messages.map(({ method }) => method)
    expect(methods).toEqual([updated, updated, 'notifications/resources/list_changed'])
  })

  test('a reader that does not read loses its stream, and is told of all it follows on the next', async () => {
    const { url, knowledge } = await served()
    const session = await rawSession(url)
    await session.call('resources/subscribe', { uri: LONG_RID })
    const stream = await session.stream()
    changeOften(knowledge)
    const messages = messagesOf(stream)
    await once(stream, 'end')
    expect(messages.length).toBeLessThan(CHANGES)
    const next = messagesOf(await session.stream())
    await until(() => next.length === 2)
    expect(next.map(({ method }) => method)).toEqual([
      'notifications/resources/updated',
      'notifications/resources/list_changed',
    ])
  })

  test('unsubscribing ends it', async () => {
    const { url, knowledge } = await served()
    const session = await rawSession(url)
    const messages = messagesOf(await session.stream())
    await session.call('resources/subscribe', { uri: RID })
    await session.call('resources/unsubscribe', { uri: RID })
    knowledge.put(RID, { v: 1 })
    await until(() => messages.length > 0)
    expect(messages.map(({ method }) => method)).toEqual(['notifications/resources/list_changed'])
  })

  test('no more is subscribed to than the limit', async () => {
    const { url } = await served({ maxSubscriptions: 2 })
    const { call } = await rawSession(url)
    for (const uri of ['x:1', 'x:2', 'x:2']) {
      expect((await call('resources/subscribe', { uri })).json.result).toEqual({})
    }
    expect((await call('resources/subscribe', { uri: 'x:3' })).json.error.code).toBe(-32602)
    await call('resources/unsubscribe', { uri: 'x:1' })
    expect((await call('resources/subscribe', { uri: 'x:3' })).json.result).toEqual({})
    expect((await call('resources/subscribe', { uri: `x:${'y'.repeat(3000)}` })).json.error.code).toBe(-32602)
  })

  test('DELETE ends the session', async () => {
    const { url } = await served()
    const { call, headers } = await rawSession(url)
    expect((await send(url, { method: 'DELETE', headers })).status).toBe(200)
    expect((await call('tools/list')).status).toBe(404)
  })

  test('a request is answered though it was cancelled, and its id can be used once at a time', async () => {
    const { tool, finish, called } = slowTool()
    const { url } = await served({ adapters: [{ name: 'Slow', ridTypes: [], tools: [tool] }] })
    const { call, headers } = await rawSession(url)
    const answer = call('tools/call', { name: 'slow' }, 'seven')
    await called
    expect((await call('tools/list', {}, 'seven')).json).toEqual(refusal(-32600))
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'seven' } }
    expect((await send(url, { headers, body: cancelled })).status).toBe(202)
    finish()
    expect((await answer).json).toMatchObject({ id: 'seven', result: { structuredContent: { done: true } } })
    expect((await call('tools/list', {}, 'seven')).status).toBe(200)
  })

  test('a session that ends answers what still runs', async () => {
    const { tool, called } = slowTool()
    const { url } = await served({ adapters: [{ name: 'Slow', ridTypes: [], tools: [tool] }] })
    const { call, headers } = await rawSession(url)
    const answer = call('tools/call', { name: 'slow' })
    await called
    await send(url, { method: 'DELETE', headers })
    expect((await answer).status).toBe(404)
  })

  test('a session that is idle ends; one with a stream does not', async () => {
    let now = 0
    const { url } = await served({ clock: () => now, sessionIdleMs: 1000 })
    const idle = await rawSession(url)
    const followed = await rawSession(url)
    await followed.stream()
    now = 999
    const used = await rawSession(url)
    now = 1000
    await rawSession(url)
    const statuses = [idle, followed, used].map(async ({ call }) => (await call('tools/list')).status)
    expect(await Promise.all(statuses)).toEqual([404, 200, 200])
  })

  test('a session too many ends the one that was idle longest, and is refused when none is', async () => {
    let now = 0
    const { url } = await served({ clock: () => now++, maxSessions: 2 })
    const first = await rawSession(url)
    const second = await rawSession(url)
    expect((await first.call('tools/list')).status).toBe(200)
    const third = await rawSession(url)
    expect((await second.call('tools/list')).status).toBe(404)
    await Promise.all([first.stream(), third.stream()])
    const refused = await send(url, { body: initialize('2025-11-25') })
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10'])
  })
})

test.each(['x', '', 'eDp5', 'YWZ0ZXI6eA', 'YWZ0ZXI6eDp5='])('%j is no cursor', async (cursor) => {
  const { url } = await served()
  const { call } = await rawSession(url)
  expect((await call('resources/list', { cursor: 'YWZ0ZXI6eDp5' })).json.result).toEqual({ resources: [] })
  expect((await call('resources/list', { cursor })).json.error.code).toBe(-32602)
  for (const method of ['resources/templates/list', 'tools/list']) {
    expect((await call(method, { cursor: 'YWZ0ZXI6eDp5' })).json.error.code).toBe(-32602)
  }
})

describe('revision 2026-07-28', () => {
  test('a resource that is not found is -32602', async () => {
    const { url } = await served()
    const { json } = await send(url, stateless('resources/read', { uri: RID }, RID))
    expect(json.error).toMatchObject({ code: -32602, data: { uri: RID } })
  })

  test('sessions and their subscriptions are no part of it', async () => {
    const { url } = await served()
    const { json, headers } = await send(url, stateless('resources/subscribe', { uri: RID }))
    expect(json.error.code).toBe(-32601)
    expect(headers['mcp-session-id']).toBeUndefined()
  })

  test('a stream hears of what it asked for alone', async () => {
    const { url, knowledge } = await served()
    const notifications = { resourceSubscriptions: [RID] }
    const messages = messagesOf(await open(url, stateless('subscriptions/listen', { notifications })))
    await until(() => messages.length === 1)
    knowledge.put('orn:data-catalog.dataset:b', {})
    knowledge.put(RID, {})
    await until(() => messages.length === 2)
    const _meta = { 'io.modelcontextprotocol/subscriptionId': 1 }
    expect(messages).toEqual([
      { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { notifications, _meta } },
      { jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: RID, _meta } },
    ])
  })

  test('a reader that does not read loses its stream', async () => {
    const { url, knowledge } = await served()
    const notifications = { resourceSubscriptions: [LONG_RID] }
    const stream = await open(url, stateless('subscriptions/listen', { notifications }))
    changeOften(knowledge)
    const messages = messagesOf(stream)
    await once(stream, 'end')
    expect(messages.length).toBeLessThan(CHANGES)
  })

  test.each([
    ['too many resources', ['x:1', 'x:2', 'x:3']],
    ['a URI too long', ['x'.repeat(3000)]],
  ])('a stream of %s is refused', async (_what, resourceSubscriptions) => {
    const { url } = await served({ maxSubscriptions: 2 })
    const { json } = await send(url, stateless('subscriptions/listen', { notifications: { resourceSubscriptions } }))
    expect(json).toMatchObject({ id: 1, error: { code: -32602 } })
  })
})

test('closing ends sessions, streams and what follows the changes', async () => {
  const { url, handler, knowledge } = await served()
  const session = await rawSession(url)
  const stream = await session.stream()
  const listening = await open(
    url,
    stateless('subscriptions/listen', { notifications: { resourcesListChanged: true } }),
  )
  const ended = [once(stream.resume(), 'end'), once(listening.resume(), 'end')]
  await handler.close()
  await Promise.all(ended)
  expect(knowledge.followers).toBe(0)
  expect(await send(url, { body: initialize('2025-11-25') })).toMatchObject({ status: 503, json: refusal(-32000) })
})

test('a framework may have read the body already', async () => {
  const knowledge = new FakeKnowledge()
  const handler = createMcpHandler({
    knowledge,
    changes: knowledge.changes,
    adapters: new Map(),
    ridTypes: [],
    name: 'n',
    version: 'v',
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => (text += chunk.toString()))
    request.on('end', () => void handler.handle(request, response, JSON.parse(text)))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(async () => {
    await handler.close()
    server.close()
  })
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)
  const { call } = await rawSession(url)
  expect((await call('resources/list')).json.result).toEqual({ resources: [] })
  expect((await send(url, stateless('resources/list'))).json.result).toMatchObject({ resources: [] })
})

/** More than a socket and its stream hold for a reader: 20 MB of notifications. */
function changeOften(knowledge: FakeKnowledge): void {
  for (let v = 0; v < CHANGES; v++) knowledge.put(LONG_RID, { v })
}

function slowTool(): { tool: AdapterTool; finish: () => void; called: Promise<void> } {
  const called = Promise.withResolvers<void>()
  const finished = Promise.withResolvers<void>()
  const schema = { type: 'object' } as const
  return {
    called: called.promise,
    finish: finished.resolve,
    tool: {
      name: 'slow',
      title: 'Slow',
      description: 'Waits.',
      inputSchema: schema,
      outputSchema: schema,
      async call() {
        called.resolve()
        await finished.promise
        return { done: true }
      },
    },
  }
}
