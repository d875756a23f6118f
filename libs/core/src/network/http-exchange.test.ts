import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { testServer } from '../../test/peers.ts'
import type { TestServer } from '../../test/peers.ts'
import { allowAllButLinkLocal, checkUrl } from './address-policy.ts'
import { HttpExchange } from './http-exchange.ts'
import type { HttpExchangeOptions } from './http-exchange.ts'

const opened: { close(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
})

async function server(answer?: TestServer['answer']): Promise<TestServer> {
  const made = await testServer(answer)
  opened.push(made)
  return made
}

function exchange(options?: HttpExchangeOptions): HttpExchange {
  const made = new HttpExchange(options)
  opened.push(made)
  return made
}

describe('HttpExchange', () => {
  it('posts JSON and gives status and body of whatever is answered', async () => {
    const peer = await server(() => ({ status: 422, body: '{"detail":"no"}' }))
    const reply = await exchange().post(`${peer.origin}/koi-net/rids/fetch`, '{"ä":1}')
    expect({ status: reply.status, body: Buffer.from(reply.body).toString() }).toEqual({
      status: 422,
      body: '{"detail":"no"}',
    })
    expect(peer.requests).toEqual([{ method: 'POST', path: '/koi-net/rids/fetch', body: Buffer.from('{"ä":1}') }])
  })

  it('follows no redirect', async () => {
    const peer = await server(() => ({ status: 307, body: '', headers: { location: '/elsewhere' } }))
    expect((await exchange().post(peer.origin, '{}')).status).toBe(307)
    expect(peer.requests).toHaveLength(1)
  })

  it('cuts off a reply beyond the limit, however long it would go on', async () => {
    const peer = await server(() => ({ status: 200, body: 'x'.repeat(2_000), hangs: true }))
    const call = exchange({ maxReplyBytes: 1_000 }).get(peer.origin)
    await expect(call).rejects.toMatchObject({ reason: 'too_large' })
  })

  it('ends a call that takes too long, and says after how long', async () => {
    const peer = await server(() => ({ status: 200, body: 'slowly', hangs: true }))
    const call = exchange({ requestTimeoutMs: 30 }).get(peer.origin)
    await expect(call).rejects.toMatchObject({
      reason: 'unreachable',
      message: `${peer.origin} did not answer within 30 ms`,
    })
  })

  it('ends a call when told to stop', async () => {
    const peer = await server(() => ({ status: 200, body: '', hangs: true }))
    const stop = new AbortController()
    const call = exchange().get(peer.origin, stop.signal)
    stop.abort()
    await expect(call).rejects.toMatchObject({ reason: 'aborted' })
  })

  it('says that nobody listens', async () => {
    const peer = await testServer()
    await peer.close()
    await expect(exchange().get(peer.origin)).rejects.toMatchObject({ reason: 'unreachable' })
  })

  it('sends once more, and only once, when the connection breaks before the answer', async () => {
    let connections = 0
    const breaking = createServer((socket) => {
      connections += 1
      socket.on('data', () => socket.destroy())
    })
    await new Promise<void>((resolve) => breaking.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(breaking.address() as AddressInfo).port}`
    await expect(exchange().post(url, '{}')).rejects.toMatchObject({ reason: 'unreachable' })
    expect(connections).toBe(2)
    breaking.close()
  })

  it.each([
    'http://169.254.169.254/latest/meta-data',
    'http://2852039166/',
    'http://[fe80::1]/',
    'http://[::ffff:169.254.169.254]/',
    'http://[fd00:ec2::254]/',
    'ftp://example.org/',
    'file:///etc/passwd',
    'http://user:secret@example.org/',
    'nonsense',
  ])('does not call %s', async (url) => {
    await expect(exchange().get(url)).rejects.toMatchObject({ reason: 'forbidden' })
  })

  it('asks the policy about the addresses a name stands for, when it connects', async () => {
    const peer = await server()
    const asked: unknown[] = []
    const http = exchange({
      allowAddress: (address) => {
        asked.push(address)
        return address.ip === undefined
      },
    })
    const url = peer.origin.replace('127.0.0.1', 'localhost')
    await expect(http.get(url)).rejects.toMatchObject({ reason: 'forbidden' })
    expect(asked[0]).toEqual({ host: 'localhost', ip: undefined })
    expect(asked).toContainEqual({ host: 'localhost', ip: '127.0.0.1' })
    expect(peer.requests).toEqual([])
  })
})

describe('allowAllButLinkLocal', () => {
  it.each([
    'http://127.0.0.1:9000/koi-net',
    'http://10.0.0.1',
    'https://[::1]:9000',
    'http://[fd00::1]',
    'http://example.org',
  ])('allows %s', (url) => {
    expect(() => checkUrl(new URL(url), allowAllButLinkLocal)).not.toThrow()
  })
})
