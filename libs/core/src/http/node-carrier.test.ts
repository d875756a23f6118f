import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../../test/peers.ts'
import { jsonReply } from '../network/node-reply.ts'
import type { NodeReply } from '../network/node-reply.ts'
import { serveNode } from '../nodes/http-server.ts'

const MIB = 1024 * 1024
const ANSWER = jsonReply(200, 'null')

/** A server whose node answers when it is told to. */
async function serving() {
  const waiting: ((reply: NodeReply) => void)[] = []
  const node = {
    handleRequest: () => new Promise<NodeReply>((resolve) => waiting.push(resolve)),
    wellKnown: () => '{}',
  }
  const { port, close } = await serveNode(node, { host: '127.0.0.1', port: 0, basePath: '' })
  onTestFinished(async () => {
    answerAll()
    await close()
  })
  const answerAll = () => {
    for (const answer of waiting.splice(0)) answer(ANSWER)
  }
  const headers = { 'content-type': 'application/json' }
  const call = (body: string | Uint8Array, localAddress = '127.0.0.1') => {
    const replied = new Promise<IncomingMessage>((resolve, reject) => {
      const options = {
        port,
        host: '127.0.0.1',
        localAddress,
        method: 'POST',
        path: '/rids/fetch',
        headers,
        agent: false,
      }
      request(options, resolve).on('error', reject).end(body)
    })
    return replied.then(async (response) => ({
      status: response.statusCode,
      retryAfter: response.headers['retry-after'],
      body: await text(response),
    }))
  }
  return { waiting, answerAll, call }
}

describe('carrying requests to a node', () => {
  it('holds so many bytes of large bodies of one address, reads small ones all the same, and others’ too', async () => {
    const { waiting, answerAll, call } = await serving()
    const large = new Uint8Array(16 * MIB)
    const first = [call(large), call(large)]
    await until(() => waiting.length === 2)
    expect(await call(new Uint8Array(70_000))).toEqual({
      status: 429,
      retryAfter: '1',
      body: '{"detail":"Too many large requests at the same time, try again"}',
    })
    const small = call('{}')
    const another = call(large, '127.0.0.2')
    await until(() => waiting.length === 4)
    answerAll()
    const answered = await Promise.all([...first, small, another])
    expect(answered.map(({ status }) => status)).toEqual([200, 200, 200, 200])
    const again = call(large)
    await until(() => waiting.length === 1)
    answerAll()
    expect((await again).status).toBe(200)
  })

  it('works on so many requests of one address at a time, lets so many wait, and refuses the rest', async () => {
    const { waiting, answerAll, call } = await serving()
    const early: unknown[] = []
    const calls = Array.from({ length: 32 + 512 + 3 }, () => call('{}'))
    for (const reply of calls) void reply.then((refused) => early.push(refused))
    await until(() => early.length === 3)
    const body = '{"detail":"Too many requests of this address are waiting, try again"}'
    expect(early).toEqual(Array.from({ length: 3 }, () => ({ status: 429, retryAfter: '1', body })))
    expect(waiting).toHaveLength(32)
    const other = call('{}', '127.0.0.2')
    await until(() => waiting.length === 33)
    waiting.pop()?.(ANSWER)
    expect((await other).status).toBe(200)
    const all = Promise.all(calls)
    while (early.length < calls.length) {
      answerAll()
      await new Promise(setImmediate)
    }
    expect((await all).filter(({ status }) => status === 200)).toHaveLength(32 + 512)
  })

  it('tells 503 of a node that is not there yet, at the page beside the protocol too', async () => {
    const node = {
      handleRequest: () => Promise.reject(new Error('inside')),
      wellKnown: () => {
        throw new Error('not started')
      },
    }
    const { port, close } = await serveNode(node, { host: '127.0.0.1', port: 0, basePath: '/koi-net' })
    onTestFinished(close)
    const response = await fetch(`http://127.0.0.1:${port}/.well-known/koi-net.json`)
    expect([response.status, response.headers.get('retry-after'), await response.text()]).toEqual([
      503,
      '1',
      '{"detail":"This node is starting or stopping, try again","retry_after":1}',
    ])
  })
})
