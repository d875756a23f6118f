import { once } from 'node:events'
import type { Socket } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Peer } from './peer.ts'
import { connectTo, sendRaw } from './raw-http.ts'
import { SUBJECTS } from './subjects.ts'
import type { Subject } from './subjects.ts'

const MIB = 1024 * 1024
const JSON_TYPE = 'content-type: application/json\r\n'

/** The head of a POST, with a body's length unless told otherwise. */
const head = (path: string, headers: string, version = '1.1') =>
  `POST ${path} HTTP/${version}\r\nhost: node\r\n${headers}\r\n`
const posted = (body: string, { path = '/koi-net/rids/fetch', headers = JSON_TYPE, version = '1.1' } = {}) =>
  head(path, `${headers}content-length: ${Buffer.byteLength(body)}\r\n`, version) + body
const coded = (encoding: string, body: Buffer) => [
  head('/koi-net/rids/fetch', `${JSON_TYPE}content-encoding: ${encoding}\r\ncontent-length: ${body.length}\r\n`),
  body,
]
const bomb = Buffer.from(`[${'0,'.repeat(20 * MIB)}0]`)
const chunked = (...chunks: readonly string[]) =>
  head('/koi-net/rids/fetch', `${JSON_TYPE}transfer-encoding: chunked\r\n`) +
  chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')

/** What is sent, and the status that answers it; with a star: by Node itself, without a body. Nothing of it reaches the node. */
const REFUSED: readonly (readonly [what: string, status: number, parts: readonly (string | Uint8Array)[]])[] = [
  ['text', 415, [posted('{}', { headers: 'content-type: text/plain\r\n' })]],
  ['a form', 415, [posted('a=b', { headers: 'content-type: application/x-www-form-urlencoded\r\n' })]],
  ['JSON that says it is something like it', 415, [posted('{}', { headers: 'content-type: application/jsonx\r\n' })]],
  ['a body of no type', 415, [posted('{}', { headers: '' })]],
  ['a bomb in gzip', 415, coded('gzip', gzipSync(bomb))],
  ['a bomb in brotli', 415, coded('br', brotliCompressSync(gzipSync(bomb)))],
  ['a bomb in deflate', 415, coded('deflate', deflateSync(bomb))],
  ['a bomb in two', 415, coded('gzip, identity', gzipSync(bomb))],
  ['a GET', 405, ['GET /koi-net/events/poll HTTP/1.1\r\nhost: node\r\n\r\n']],
  ['a DELETE with a body', 405, ['DELETE /koi-net/rids/fetch HTTP/1.1\r\nhost: node\r\ncontent-length: 2\r\n\r\n{}']],
  ['a POST to the page beside the protocol', 405, [posted('{}', { path: '/.well-known/koi-net.json' })]],
  ['a path that ends in a slash', 404, [posted('{}', { path: '/koi-net/rids/fetch/' })]],
  ['a path with percent signs', 404, [posted('{}', { path: '/koi-net/rids%2Ffetch' })]],
  ['a path with dots', 404, [posted('{}', { path: '/koi-net/events/../rids/fetch' })]],
  ['a path above the node', 404, [posted('{}', { path: '/rids/fetch' })]],
  ['a name of every object', 404, [posted('{}', { path: '/koi-net/constructor' })]],
  ['a path of a proxy', 404, [posted('{}', { path: 'http://other.example/koi-net/rids/fetch' })]],
  ['a very long path', 431, [posted('{}', { path: `/koi-net/${'a'.repeat(20_000)}` })]],
  ['a very long header', 431, [posted('{}', { headers: `${JSON_TYPE}x: ${'a'.repeat(20_000)}\r\n` })]],
  ['very many headers', 431, [posted('{}', { headers: JSON_TYPE + 'x: y\r\n'.repeat(5_000) })]],
  [
    'the length of a body that is too large',
    413,
    [head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: ${16 * MIB + 1}\r\n`)],
  ],
  [
    'a length that no number holds',
    413,
    [head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: 99999999999999999\r\n`)],
  ],
  ['a negative length', 400, [head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: -1\r\n`)]],
  ['two lengths', 400, [head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: 2\r\ncontent-length: 3\r\n`) + '{}']],
  [
    'a length and chunks',
    400,
    [head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: 2\r\ntransfer-encoding: chunked\r\n`) + '{}'],
  ],
  ['chunks that are too large together', 413, [chunked(...Array.from({ length: 17 }, () => ' '.repeat(MIB)))]],
  ['a chunk of no size', 400, [chunked('{}') + 'zz\r\n']],
  [
    'another encoding of the transfer',
    400,
    [head('/koi-net/rids/fetch', `${JSON_TYPE}transfer-encoding: gzip\r\n`) + '{}'],
  ],
  ['a request without a host*', 400, [`POST /koi-net/rids/fetch HTTP/1.1\r\n${JSON_TYPE}content-length: 2\r\n\r\n{}`]],
  ['an expectation of another kind*', 417, [posted('{}', { headers: `${JSON_TYPE}expect: a-miracle\r\n` })]],
  ['TLS', 400, [Buffer.from('16030100010100', 'hex')]],
  ['HTTP/2', 400, ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']],
  ['nothing but a line', 400, ['\u0000\u0000\u0000\u0000\r\n\r\n']],
  ['an empty body', 422, [posted('')]],
  ['no body at all', 422, [head('/koi-net/rids/fetch', JSON_TYPE)]],
]

describe.each(SUBJECTS)('a node behind %s', (_name, start) => {
  let subject: Subject
  let peer: Peer
  const ask = () => posted(peer.envelope({ type: 'fetch_rids', rid_types: [] }))

  beforeAll(async () => {
    subject = await start()
    peer = new Peer('peer', subject.node.identity.rid)
    const body = peer.broadcast(peer.introduction)
    const [reply] = await sendRaw(subject.url, [posted(body, { path: '/koi-net/events/broadcast' })])
    expect(reply).toMatchObject({ status: 200, body: 'null' })
    await subject.node.idle()
  })
  afterAll(() => subject.stop())

  it.each(REFUSED)('refuses %s with %i, says why, and serves on', async (what, status, parts) => {
    subject.lines.length = 0
    const [reply] = await sendRaw(subject.url, parts)
    expect(reply?.status).toBe(status)
    if (!what.endsWith('*')) expect(reply?.body).toMatch(/^\{/)
    const [after] = await sendRaw(subject.url, [ask()])
    expect(after?.status).toBe(200)
  })

  it('answers what is sent in other ways than usual', async () => {
    const body = peer.envelope({ type: 'fetch_rids', rid_types: [] })
    const half = body.length >> 1
    const usual = await sendRaw(subject.url, [ask()])
    const ways: Record<string, readonly (string | Uint8Array)[]> = {
      'HTTP/1.0': [posted(body, { version: '1.0' })],
      'in chunks': [`${chunked(body.slice(0, half), body.slice(half))}0\r\n\r\n`],
      'a type with a charset': [posted(body, { headers: 'Content-Type: Application/JSON; charset=utf-8\r\n' })],
      'encoded as it is': [posted(body, { headers: `${JSON_TYPE}content-encoding: identity\r\n` })],
      'with a query': [posted(body, { path: '/koi-net/rids/fetch?a=b&c' })],
    }
    for (const [way, parts] of Object.entries(ways)) {
      const [reply] = await sendRaw(subject.url, parts)
      expect([way, reply?.status, reply?.body.length]).toEqual([way, 200, usual[0]?.body.length])
    }
    const waiting = await sendRaw(subject.url, [posted(body, { headers: `${JSON_TYPE}expect: 100-continue\r\n` })])
    expect(waiting.map(({ status }) => status)).toEqual([100, 200])
    const closed = await sendRaw(subject.url, [posted(body)], { halfClose: true })
    expect(closed.map(({ status }) => status)).toEqual([200])
  })

  it('answers requests of one connection in their order', async () => {
    const unknown = new Peer('nobody', subject.node.identity.rid).envelope({ type: 'fetch_rids', rid_types: [] })
    const parts = [ask(), posted(unknown), posted('{'), ask()].join('')
    const replies = await sendRaw(subject.url, [parts], { replies: 4 })
    expect(replies.map(({ status }) => status)).toEqual([200, 400, 422, 200])
  })

  it('lets a length that is too short cost the connection alone', async () => {
    const lying = posted('{}\r\n\r\n').replace('content-length: 6', 'content-length: 1')
    const replies = await sendRaw(subject.url, [lying], { replies: 2 })
    expect(replies.map(({ status }) => status)).toEqual([400])
  })

  it('forgets bodies whose sender goes or says no more, and serves on', async () => {
    const begun = head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: 1000\r\n`)
    expect(await sendRaw(subject.url, [begun, '{"payload"'], { halfClose: true })).toMatchObject([{ status: 400 }])
    const sockets = Array.from({ length: 20 }, () => connectTo(subject.url, () => undefined))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    for (const socket of sockets) socket.write(`${begun}{"payload"`)
    for (const socket of sockets) socket.resetAndDestroy()
    expect((await sendRaw(subject.url, [ask()]))[0]?.status).toBe(200)
  })

  it('answers while 500 connections are idle and 100 send their bodies without end', async () => {
    const open = async (count: number, said: string): Promise<Socket[]> => {
      const sockets = Array.from({ length: count }, () => connectTo(subject.url, () => undefined))
      await Promise.all(sockets.map((socket) => once(socket, 'connect')))
      for (const socket of sockets) socket.on('error', () => undefined).write(said)
      return sockets
    }
    const begun = head('/koi-net/rids/fetch', `${JSON_TYPE}content-length: 1000000\r\n`)
    const sockets = [
      ...(await open(250, '')),
      ...(await open(250, 'POST /koi-net/')),
      ...(await open(100, `${begun}{`)),
    ]
    expect((await sendRaw(subject.url, [ask()]))[0]?.status).toBe(200)
    for (const socket of sockets) socket.destroy()
  })

  it('logs what it refuses', async () => {
    subject.lines.length = 0
    await sendRaw(subject.url, coded('gzip', gzipSync('{}')))
    await sendRaw(subject.url, ['nonsense\r\n\r\n'])
    expect(subject.lines).toEqual([
      [
        'refused a request',
        {
          from: '127.0.0.1',
          path: '/koi-net/rids/fetch',
          status: 415,
          error: '{"detail":"The body must be sent as it is, without Content-Encoding, is gzip"}',
        },
      ],
      ['refused a connection', { from: '127.0.0.1', error: expect.stringContaining('Parse Error') as string }],
    ])
  })
})
