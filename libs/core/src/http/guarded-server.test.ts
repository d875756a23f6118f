import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLogger } from '../logger.ts'
import { guardedServer } from './guarded-server.ts'
import type { GuardedServerOptions } from './guarded-server.ts'

async function serving(options: Partial<GuardedServerOptions>, listener: RequestListener): Promise<number> {
  const server = guardedServer(listener, { log: silentLogger, ...options }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void (server.close(), server.closeAllConnections()))
  return (server.address() as AddressInfo).port
}

async function connected(port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

describe('a guarded server', () => {
  it('gives up a head that comes too slowly, and a connection that says nothing', async () => {
    const port = await serving({ headMs: 50 }, (_request, response) => response.end())
    const slow = await connected(port)
    slow.write('GET / HTTP/1.1\r\n')
    expect(await text(slow)).toBe(
      'HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: 45\r\nconnection: close\r\n\r\n{"detail":"The request did not come in time"}',
    )
    await text(await connected(port))
  })

  it('gives up a body that comes too slowly', async () => {
    const port = await serving({ headMs: 50, requestMs: 60 }, (request) => request.resume())
    const slow = await connected(port)
    slow.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{')
    expect(await text(slow)).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('drops the connection idle longest of the address that has the most, where there are too many', async () => {
    const held: (() => void)[] = []
    const port = await serving({ maxConnections: 4 }, (_request, response) => void held.push(() => response.end('ok')))
    const other = await connected(port, '127.0.0.2')
    const busy = await connected(port)
    busy.write(REQUEST)
    const idle = await connected(port)
    const next = await connected(port)
    const dropped = once(idle, 'close')
    const newest = await connected(port)
    await dropped
    expect([other, busy, next, newest].map(({ closed }) => closed)).toEqual([false, false, false, false])
    // Busy ones alone: then it is the newcomer who has to go.
    for (const socket of [next, newest]) socket.write(REQUEST)
    while (held.length < 3) await new Promise(setImmediate)
    await once(await connected(port), 'close')
    // Idle again, the first of them is the first to go.
    for (const answer of held) answer()
    await Promise.all([busy, next, newest].map((socket) => once(socket, 'data')))
    const gone = once(busy, 'close')
    await connected(port)
    await gone
    expect([other, next, newest].map(({ closed }) => closed)).toEqual([false, false, false])
  })
})
