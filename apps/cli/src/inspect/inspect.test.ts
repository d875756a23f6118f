import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Io } from '../io.ts'
import { get, rids, search, watch } from './commands.ts'
import { eventStreamData } from './event-stream.ts'
import { health } from './health.ts'

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

const serve = async (
  answer: (url: URL, response: ServerResponse, request: IncomingMessage) => void,
): Promise<string> => {
  server = createServer((request, response) => {
    // No connection stays open behind a test's back.
    response.setHeader('connection', 'close')
    answer(new URL(request.url ?? '', 'http://x'), response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const terminal = (env: Io['env'] = {}) => {
  const out: string[] = []
  const err: string[] = []
  const io: Io = { stdout: { write: (t) => out.push(t) }, stderr: { write: (t) => err.push(t) }, env, cwd: '/nowhere' }
  return { io, out, err }
}

const collected = async (texts: AsyncIterable<string>): Promise<string[]> => {
  const all: string[] = []
  for await (const text of texts) all.push(text)
  return all
}

const signal = new AbortController().signal
const STRANGE = 'orn:data-catalog.dataset:a b/50% #1*[x]+ü.csv'

describe('rids', () => {
  test('asks page after page, with the types, and prints each RID on a line', async () => {
    const asked: string[] = []
    const url = await serve((at, response) => {
      asked.push(at.search)
      const first = at.searchParams.get('after') === null
      response.end(JSON.stringify(first ? { rids: [STRANGE], next: STRANGE } : { rids: ['x:\u001b[2J'], next: null }))
    })
    const { io, out } = terminal()
    await rids({ url, state: '.koi', types: ['orn:a.b', 'https'] }, io, signal)
    expect(out).toEqual([`${STRANGE}\n`, 'x:\\u{1b}[2J\n'])
    expect(new URLSearchParams(asked[1]).get('after')).toBe(STRANGE)
    expect(new URLSearchParams(asked[1]).getAll('types')).toEqual(['orn:a.b', 'https'])
  })
})

describe('get', () => {
  test('keeps every digit of the contents, and names the RID exactly', async () => {
    const bundle = '{"rid":"a:b","contents":{"x":1.0,"y":12345678901234567890}}'
    let asked: string | null = null
    const url = await serve((at, response) => {
      asked = at.searchParams.get('rid')
      response.end(bundle)
    })
    const human = terminal()
    await get(STRANGE, { url, state: '.koi' }, human.io, signal)
    expect(asked).toBe(STRANGE)
    expect(human.out).toEqual([
      '{\n  "rid": "a:b",\n  "contents": {\n    "x": 1.0,\n    "y": 12345678901234567890\n  }\n}\n',
    ])
    const script = terminal()
    await get(STRANGE, { url, state: '.koi', json: true }, script.io, signal)
    expect(script.out).toEqual([`${bundle}\n`])
  })

  test('says what to do about an unknown RID, a service that is not there, and a missing token', async () => {
    const url = await serve((_at, response, { headers }) => {
      const status = { 'Bearer secret': 404, 'Bearer weak': 403 }[headers.authorization ?? ''] ?? 401
      response.writeHead(status).end('{"message":"This needs\\u001b more"}')
    })
    await expect(get('a:b', { url, state: '.koi' }, terminal().io, signal)).rejects.toThrow(
      `${url} wants a token (HTTP 401): This needs\\u{1b} more. Put one into the variable KOI_MCP_TOKEN, or give --token.`,
    )
    const weak = terminal({ KOI_MCP_TOKEN: 'weak', KOI_MCP_SECURITY__PUBLISH_TOKEN: 'secret' })
    await expect(get('a:b', { url, state: '.koi' }, weak.io, signal)).rejects.toThrow(
      `${url} answered HTTP 403: This needs\\u{1b} more`,
    )
    const nothing = `Nothing is known of a:b.`
    await expect(get('a:b', { url, state: '.koi', token: 'secret' }, weak.io, signal)).rejects.toThrow(nothing)
    const { io } = terminal({ KOI_MCP_SECURITY__PUBLISH_TOKEN: 'secret' })
    await expect(get('a:b', { url, state: '.koi' }, io, signal)).rejects.toThrow(
      'Nothing is known of a:b. "koi-mcp rids" lists what is, "koi-mcp search TEXT" searches it.',
    )
    server?.close()
    server?.closeAllConnections()
    await expect(get('a:b', { url, state: '.koi' }, io, signal)).rejects.toThrow(
      `No service answers at ${url}. Start a network with "koi-mcp up", or name the address of a running one with --url URL.`,
    )
    await expect(get('a:b', { url: 'localhost:1', state: '.koi' }, io, signal)).rejects.toThrow(/is no address/u)
  })
})

describe('search', () => {
  test('prints what was found with its snippet, and how much there is', async () => {
    const hits = [{ rid: 'a:b', score: 1, snippet: 'of\nJupiter' }]
    const url = await serve((at, response) =>
      response.end(
        JSON.stringify(at.searchParams.get('q') === 'moons of' ? { total: 7, hits } : { total: 0, hits: [] }),
      ),
    )
    const human = terminal()
    await search('moons of', { url, state: '.koi', limit: 1 }, human.io, signal)
    expect([human.out, human.err]).toEqual([['a:b\n  of\\u{a}Jupiter\n'], ['1 of 7 found.\n']])
    const script = terminal()
    await search('moons of', { url, state: '.koi', limit: 1, json: true }, script.io, signal)
    expect([script.out, script.err]).toEqual([[`${JSON.stringify(hits[0])}\n`], []])
    const none = terminal()
    await search('x', { url, state: '.koi', limit: 1 }, none.io, signal)
    expect([none.out, none.err]).toEqual([[], ['Nothing found.\n']])
  })
})

describe('watch', () => {
  test('follows events through a break of the connection', async () => {
    let connections = 0
    const event = { kind: 'new', at: 0 }
    const url = await serve((at, response) => {
      if (at.pathname === '/api/status') return response.end('{"role":"consumer","name":"mcp-gateway","node_rid":"n"}')
      connections += 1
      response.write(`: hello\n\ndata: ${JSON.stringify({ ...event, rid: `a:${connections}` })}\n\n`)
      if (connections === 1) response.end()
      return response
    })
    const { io, out, err } = terminal()
    const ended = new AbortController()
    const write = (text: string): void => {
      out.push(text)
      if (out.length === 2) ended.abort()
    }
    await watch({ url, state: '.koi', json: true }, { ...io, stdout: { write } }, ended.signal)
    const same = { event: 'new', time: '1970-01-01T00:00:00.000Z', role: 'consumer', node: 'n' }
    expect(out.map((line): unknown => JSON.parse(line))).toEqual([
      { ...same, rid: 'a:1' },
      { ...same, rid: 'a:2' },
    ])
    expect(err).toEqual([
      `Watching mcp-gateway at ${url}. Ctrl-C ends.\n`,
      `The connection to ${url} broke; trying again until it is back…\n`,
    ])
  })
})

describe('eventStreamData', () => {
  test('is the same however the bytes are cut', async () => {
    const text = ': hi\r\ndata: {"a":"ü"}\r\n\r\nevent: x\ndata:one\ndata: two\n\n\n\ndata: 🪐\r\rdata: never ended'
    const bytes = new TextEncoder().encode(text)
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }), async (sizes) => {
        const chunks: Uint8Array[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const size = sizes[turn % sizes.length] ?? 1
          chunks.push(bytes.subarray(at, at + size))
          at += size
        }
        expect(await collected(eventStreamData(chunks))).toEqual(['{"a":"ü"}', 'one\ntwo', '🪐'])
      }),
    )
  })

  test('refuses an event without end', async () => {
    const endless = Array.from({ length: 20 }, () => new Uint8Array(100_000).fill(65))
    await expect(collected(eventStreamData(endless))).rejects.toThrow('longer than 1 MiB')
  })
})

describe('health', () => {
  const answering = (status: number, body: string) =>
    serve((at, response) => {
      response.writeHead(at.pathname === '/readyz' ? status : 404)
      response.end(body)
    })
  const details = (service: object, dependencies: object = { status: 'up' }) =>
    JSON.stringify({ details: { service, dependencies } })

  test('is content with a service that takes work, and says what that is without', async () => {
    const ready = terminal()
    await health({ url: await answering(200, details({ status: 'up' })), state: '.koi' }, ready.io, signal)
    expect(ready.out).toEqual(['ready\n'])
    server?.close()
    const lost = details({ status: 'up' }, { status: 'degraded', lost: ['store', 'first_contact'] })
    const { port } = new URL(await answering(200, lost))
    const degraded = terminal({ KOI_MCP_NODE__PORT: port })
    await health({ state: '.koi' }, degraded.io, signal)
    expect(degraded.out).toEqual(['ready, degraded: without store, first_contact\n'])
  })

  test('fails where the service takes none, with the reason', async () => {
    const url = await answering(503, details({ status: 'down', message: 'draining' }))
    await expect(health({ url, state: '.koi' }, terminal().io, signal)).rejects.toThrow(`${url} is not ready: draining`)
    server?.close()
    const other = await answering(404, '<html>')
    await expect(health({ url: other, state: '.koi' }, terminal().io, signal)).rejects.toThrow(
      `${other} is not ready: it answered HTTP 404`,
    )
    await expect(health({ url: 'http://127.0.0.1:1', state: '.koi' }, terminal().io, signal)).rejects.toThrow(
      'No service answers at http://127.0.0.1:1',
    )
  })
})
