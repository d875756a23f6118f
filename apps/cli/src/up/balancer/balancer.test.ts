import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, request as requestTo } from 'node:http'
import type { IncomingMessage, RequestListener } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Balancer } from './balancer.ts'
import type { Target } from './target.ts'

let balancer: Balancer
beforeEach(async () => {
  balancer = await Balancer.listen(0)
})
afterEach(() => balancer.close(0))

const listening = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** A replica in this process. */
const replica = async (listener: RequestListener): Promise<Target> => {
  const server = createServer(listener)
  const target = balancer.add(await listening(server))
  onTestFinished(() => {
    target.close()
    server.closeAllConnections()
  })
  return target
}

/** Answers with its name. */
const named = (name: string): Promise<Target> => replica((_request, response) => void response.end(name))

const textOf = async (message: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of message) text += String(chunk)
  return text
}

const get = async (path = '/', init: RequestInit = {}): Promise<string> =>
  (await fetch(`${balancer.url}${path}`, init)).text()

const unusedPort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Takes what is sent and ends the connection without a word, as a process does that is killed. */
const dying = async (bodies: string[]): Promise<Target> =>
  replica((request, response) => {
    void textOf(request).then((body) => {
      bodies.push(body)
      response.destroy()
    })
  })

describe('the balancer', () => {
  test('gives requests to the replicas in turn', async () => {
    for (const name of ['a', 'b', 'c']) await named(name)
    const answers: string[] = []
    for (let count = 0; count < 6; count += 1) answers.push(await get())
    expect(answers).toEqual(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  test('passes heads on as they are, but for what one hop says to the next', async () => {
    let seen: { url?: string | undefined; head: string[]; from?: string | undefined } | undefined
    await replica((request, response) => {
      seen = { url: request.url, head: request.rawHeaders, from: request.socket.remoteAddress }
      response.writeHead(207, 'So To Say', ['X-One', '1', 'X-One', '2', 'Connection', 'X-Hop', 'X-Hop', 'h'])
      response.end('body')
    })
    const head = ['Host', 'localhost:9', 'X-Twice', 'a', 'x-twice', 'b', 'Connection', 'close, X-Mine', 'X-Mine', 'm']
    const { hostname: host, port } = new URL(balancer.url)
    const path = '/a%2Fb/../c?rid=orn:x%20y&q=%zz'
    const sent = requestTo({ host, port, path, headers: head, localAddress: '127.0.0.2' }).end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    expect(await textOf(answer)).toBe('body')
    expect(seen).toEqual({
      url: path,
      head: ['Host', 'localhost:9', 'X-Twice', 'a', 'x-twice', 'b', 'Connection', 'keep-alive'],
      from: '127.0.0.2',
    })
    expect([answer.statusCode, answer.statusMessage]).toEqual([207, 'So To Say'])
    expect(answer.headersDistinct['x-one']).toEqual(['1', '2'])
    expect(answer.headers['x-hop']).toBeUndefined()
  })

  test('passes answers without a body on', async () => {
    await replica((request, response) => {
      response.writeHead(request.method === 'HEAD' ? 200 : 304, { 'content-length': 5 }).end()
    })
    const head = await fetch(balancer.url, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '5'])
    expect((await fetch(balancer.url)).status).toBe(304)
  })

  test('streams both ways: each piece goes on before the next comes', async () => {
    await replica((request, response) => {
      response.writeHead(200)
      request.on('data', (chunk: Buffer) => response.write(chunk.toString().toUpperCase()))
      request.on('end', () => response.end('.'))
    })
    const sent = requestTo(balancer.url, { method: 'POST' })
    sent.write('one')
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    expect(String((await once(answer, 'data'))[0])).toBe('ONE')
    sent.write('two')
    expect(String((await once(answer, 'data'))[0])).toBe('TWO')
    sent.end()
    expect(String((await once(answer, 'data'))[0])).toBe('.')
  })

  test('carries large bodies whole, also to a replica that reads slowly', async () => {
    await replica((request, response) => {
      request.pause()
      setTimeout(() => request.pipe(response), 50)
    })
    const body = Buffer.alloc(20_000_000, 'koi')
    const answer = await fetch(balancer.url, { method: 'POST', body })
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true)
  })

  test('lets a replica answer before the body has come', async () => {
    // As our services do, it reads and forgets what still comes: closing at once would take the answer with it.
    await replica((request, response) => {
      response.writeHead(413, { connection: 'close', 'content-length': 8 }).write('too long')
      request.resume()
    })
    const sent = requestTo(balancer.url, { method: 'POST', headers: { 'content-length': 10_000_000 } })
    sent.write(Buffer.alloc(1_000_000))
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    expect([answer.statusCode, await textOf(answer)]).toEqual([413, 'too long'])
    sent.destroy()
  })

  test('ends the stream of a caller who has gone', async () => {
    const gone = Promise.withResolvers<void>()
    await replica((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      response.once('close', gone.resolve)
    })
    const reader = requestTo(balancer.url).end()
    const [answer] = (await once(reader, 'response')) as [IncomingMessage]
    expect(String((await once(answer, 'data'))[0])).toBe('data: 1\n\n')
    reader.destroy()
    await gone.promise
  })

  test('a caller who closes its half of the connection leaves nothing behind', async () => {
    const target = await named('a')
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(balancer.url).port), allowHalfOpen: true })
    socket.end('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    // As at our services, who says no more is taken for gone, and may get no answer.
    await once(socket.resume(), 'end')
    await target.idle(AbortSignal.timeout(60_000))
    expect(await get()).toBe('a')
  })
})

test('the balancer is the one that closes a connection that nobody uses', async () => {
  const closed = Promise.withResolvers<void>()
  // As the services do; a balancer that leaves the close to the replica may send a request into it.
  const server = createServer({ keepAliveTimeout: 600_000 }, (_request, response) => void response.end('a'))
  server.once('connection', (socket) => socket.once('end', closed.resolve))
  balancer.add(await listening(server))
  expect(await get()).toBe('a')
  await closed.promise
})

describe('where a replica is gone', () => {
  test('a request that it took no connection for goes to the next one, whatever it is', async () => {
    balancer.add(await unusedPort())
    await replica((request, response) => void textOf(request).then((body) => response.end(body)))
    for (let count = 0; count < 4; count += 1) {
      expect(await get('/publish', { method: 'POST', body: `number ${count}` })).toBe(`number ${count}`)
    }
  })

  test('a request without any replica is answered with a wait', async () => {
    const answer = await fetch(balancer.url, { method: 'POST', body: 'x' })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await answer.json()).toEqual({
      statusCode: 503,
      error: 'Service Unavailable',
      message: 'No replica can take the request now, try again',
    })
  })

  test.each([
    ['a call of KOI-net', '/koi-net/events/broadcast', {}],
    ['publishing with a key', '/publish', { 'idempotency-key': 'k' }],
    ['a read of MCP', '/mcp', { 'mcp-method': 'resources/read' }],
  ])('%s that it took is sent once more, whole', async (_what, path, headers) => {
    const bodies: string[] = []
    await dying(bodies)
    await replica((request, response) => void textOf(request).then((body) => response.end(`got ${body}`)))
    expect(await get(path, { method: 'POST', headers, body: 'events' })).toBe('got events')
    expect(bodies).toEqual(['events'])
  })

  test.each([
    ['publishing without a key', '/publish', {}],
    ['the call of a tool', '/mcp', { 'mcp-method': 'tools/call' }],
  ])('%s that it took is not sent again', async (_what, path, headers) => {
    const bodies: string[] = []
    await dying(bodies)
    await dying(bodies)
    const answer = await fetch(`${balancer.url}${path}`, { method: 'POST', headers, body: 'once' })
    expect(answer.status).toBe(502)
    expect(bodies).toEqual(['once'])
  })

  test('a request that ends every replica gets at two of them', async () => {
    const bodies: string[] = []
    for (let count = 0; count < 3; count += 1) await dying(bodies)
    expect((await fetch(`${balancer.url}/koi-net/x`, { method: 'POST', body: 'p' })).status).toBe(502)
    expect(bodies).toEqual(['p', 'p'])
  })

  test.each([
    ['with a length', { 'content-length': '100' }],
    ['in chunks', {}],
  ])('an answer %s that breaks off is cut off for the caller too', async (_how, headers) => {
    const code = `require('http').createServer((_, response) => {
      response.writeHead(200, ${JSON.stringify(headers)}).write('half', () => process.send('half'))
    }).listen(0, '127.0.0.1', function () { process.send(this.address().port) })`
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    balancer.add(Number((await once(child, 'message'))[0]))
    const half = once(child, 'message')
    const answer = await fetch(balancer.url)
    await half
    child.kill('SIGKILL')
    await expect(answer.text()).rejects.toThrow('terminated')
  })

  test('one that is taken out ends what it has, and gets nothing more', async () => {
    const waiting: (() => void)[] = []
    const old = await replica((_request, response) => void waiting.push(() => response.end('old')))
    const running = get()
    await expect.poll(() => waiting.length).toBe(1)
    balancer.remove(old)
    await named('new')
    expect([await get(), await get()]).toEqual(['new', 'new'])
    let isIdle = false
    const idle = old.idle(AbortSignal.timeout(60_000)).then(() => (isIdle = true))
    expect(isIdle).toBe(false)
    waiting[0]?.()
    expect(await running).toBe('old')
    await idle
  })

  test('one that takes connections and answers nothing gets no more, until it answers', async () => {
    const held: { answer: () => void }[] = []
    let isStopped = true
    const stopped = await replica((_request, response) => {
      const answer = (): void => void response.end('late')
      if (isStopped) held.push({ answer })
      else answer()
    })
    const first = get()
    await named('well')
    await expect.poll(() => stopped.isWell, { timeout: 30_000 }).toBe(false)
    expect([await get(), await get()]).toEqual(['well', 'well'])
    isStopped = false
    for (const { answer } of held) answer()
    expect(await first).toBe('late')
    await expect.poll(() => stopped.isWell, { timeout: 30_000 }).toBe(true)
    expect([await get(), await get()].sort()).toEqual(['late', 'well'])
  })
})
