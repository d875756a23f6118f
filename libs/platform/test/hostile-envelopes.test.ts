import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { asRid, eventText, forgetEvent, storedContents } from '@koi-mcp/protocol'
import { bundleOf, newEvent, Peer } from './peer.ts'
import { SUBJECTS } from './subjects.ts'
import type { Subject } from './subjects.ts'

const THING = asRid('orn:test.thing:1')
const about = (rid: string) => newEvent(bundleOf(rid as typeof THING, { about: 'it' }))
const event = newEvent(bundleOf(THING, { a: 1 }))
const holding = (text: string) => newEvent(bundleOf(THING, storedContents(text)))
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

/** Events that are dropped, and why; the others of their envelope are taken. */
const DROPPED: readonly (readonly [what: string, event: string, why: string])[] = [
  ['an RID of 400 characters', about(`orn:test.thing:${'r'.repeat(385)}`), 'the RID is longer than 187 bytes'],
  [
    'an RID of 188 bytes in fewer characters',
    about(`orn:test.thing:${'é'.repeat(86)}a`),
    'the RID is longer than 187 bytes',
  ],
  ['an RID of a megabyte', about(`orn:test.thing:${'r'.repeat(1024 * 1024)}`), 'the RID is longer than 187 bytes'],
  ['an RID with NUL', event.replaceAll('thing:1', 'thing:\\u0000'), 'has a NUL in it'],
  ['an RID with half a surrogate pair', event.replaceAll('thing:1', 'thing:\\ud800'), 'has half a surrogate pair'],
  ['an RID that is none', event.replaceAll('orn:test.thing:1', 'orn:'), 'after orn: it needs namespace:reference'],
  ['contents that do not match their hash', event.replace('"a":1', '"a":2'), 'contents: hash to'],
  [
    'a hash of another kind',
    event.replace(/"sha256_hash":"[^"]+"/, '"sha256_hash":"d41d8cd98f00b204"'),
    'must be 64 hex digits',
  ],
  ['a manifest of another RID', event.replace('thing:1', 'thing:2'), 'but the event is about'],
  ['a time without a zone', event.replace(/(\.\d{6})Z/, '$1'), 'timestamp'],
  ['a time that is none', event.replace(/"timestamp":"[^"]+"/, '"timestamp":"soon"'), 'timestamp'],
  ['a name given twice', event.replace('"a":1', '"a":1,"a":1'), 'has the same name twice in one object'],
  [
    'a name given twice in two ways',
    event.replace('"a":1', '"a":1,"\\u0061":1'),
    'has the same name twice in one object',
  ],
  [
    'a name of its own given twice',
    event.replace('{"rid"', '{"event_type":"FORGET","rid"'),
    'has the same name twice in one object',
  ],
  ['half a surrogate pair', event.replace('"a":1', '"a":"\\udc00"'), 'has half a surrogate pair'],
  ['a number that nobody holds', event.replace('"a":1', '"a":1e999'), 'has a number above 1.8e308'],
  ['contents that are too deep', event.replace('"a":1', `"a":${nested(300)}`), 'is nested deeper than 200 levels'],
  [
    'contents nested ten thousand times',
    event.replace('"a":1', `"a":${nested(10_000)}`),
    'is nested deeper than 200 levels',
  ],
  [
    'contents of too many values',
    holding(`{"a":[${'0,'.repeat(100_000)}0]}`),
    'contents: hold more than 100000 JSON values',
  ],
  [
    'contents that are too long',
    holding(`{"a":"${'x'.repeat(4 * 1024 * 1024)}"}`),
    'contents: are longer than 4194304 characters',
  ],
  ['contents that are a list', event.replace('{"a":1}', '[{"a":1}]'), 'contents: must be an object, is an array'],
  ['an event of no kind', event.replace('"NEW"', '"OLD"'), 'must be NEW or UPDATE or FORGET'],
  ['no event', 'null', 'must be an object, is null'],
  ['a number', '1e5', 'must be an object, is a number'],
]

const ask = { type: 'fetch_rids', rid_types: [] } as const
const poll = (limit: string) => `{"type":"poll_events","limit":${limit}}`
const rids = (count: number) =>
  `{"type":"fetch_bundles","rids":[${Array.from({ length: count }, (_, index) => `"x:${index}"`).join(',')}]}`
const signature = (envelope: string, change: (signature: Buffer) => string) =>
  envelope.replace(
    /"signature":"([^"]+)"/,
    (_whole, text: string) => `"signature":"${change(Buffer.from(text, 'base64'))}"`,
  )
const flipped = (bytes: Buffer, bit: number) => {
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return bytes.toString('base64')
}
const der = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return sign(
    'sha256',
    Buffer.from('x'),
    createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  ).toString('base64')
}

/** Requests that are refused as a whole: the path, what answers them, and what the peer sends there. */
const REFUSED: readonly (readonly [
  what: string,
  path: string,
  answer: string,
  make: (peer: Peer) => string | Uint8Array,
])[] = [
  ...(
    [
      ['too short', (bytes: Buffer) => bytes.subarray(1).toString('base64')],
      ['too long', (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)]).toString('base64')],
      ['no base64', () => '!'.repeat(88)],
      ['base64 of another alphabet', () => '-_'.repeat(44)],
      ['with a space', (bytes: Buffer) => ` ${bytes.toString('base64')}`],
      ['DER', der],
      ['nothing', () => ''],
      ['all zero', () => Buffer.alloc(64).toString('base64')],
      ['a bit of r off', (bytes: Buffer) => flipped(bytes, 9)],
      ['a bit of s off', (bytes: Buffer) => flipped(bytes, 300)],
    ] as const
  ).map(
    ([what, change]) =>
      [
        `a signature that is ${what}`,
        '/rids/fetch',
        '400 invalid_signature',
        (peer: Peer) => signature(peer.envelope(ask), change),
      ] as const,
  ),
  [
    'a signature that is a number',
    '/rids/fetch',
    '422 signature',
    (peer) => peer.envelope(ask).replace(/"signature":"[^"]+"/, '"signature":1'),
  ],
  ['an envelope for another', '/rids/fetch', '400 invalid_target', (peer) => peer.envelope(ask, peer.rid)],
  [
    'an envelope of a stranger',
    '/rids/fetch',
    '400 unknown_node',
    (peer) => new Peer('stranger', peer.rid).envelope(ask),
  ],
  [
    'a byte that is no UTF-8',
    '/rids/fetch',
    '422',
    (peer) => Buffer.from(peer.envelope(ask).replace('fetch', '\u00ff'), 'latin1'),
  ],
  ['a byte order mark', '/rids/fetch', '422', (peer) => `\ufeff${peer.envelope(ask)}`],
  ['UTF-16', '/rids/fetch', '422', (peer) => Buffer.from(peer.envelope(ask), 'utf16le')],
  [
    'a name given twice',
    '/rids/fetch',
    '422',
    (peer) => peer.envelope(ask).replace('{', `{"source_node":"${peer.rid}",`),
  ],
  ['half a surrogate pair', '/rids/fetch', '422 payload,type', (peer) => peer.envelope('{"type":"\\ud800"}')],
  ['brackets without end', '/rids/fetch', '422', () => '['.repeat(15 * 1024 * 1024)],
  ['brackets within brackets', '/rids/fetch', '422', () => nested(400_000)],
  ['a poll where events go', '/events/broadcast', '422 payload,type', (peer) => peer.envelope(poll('0'))],
  ['events where bundles are asked for', '/bundles/fetch', '422 payload,type', (peer) => peer.broadcast(event)],
  ['a reply', '/events/poll', '422 payload,type', (peer) => peer.envelope('{"type":"rids_payload","rids":[]}')],
  ...['-1', 'null', '1.5', '1e400', '9007199254740993', '"5"', '[]', 'true'].map(
    (limit) =>
      [`a limit of ${limit}`, '/events/poll', '422 payload,limit', (peer: Peer) => peer.envelope(poll(limit))] as const,
  ),
  ['100,000 RIDs asked for', '/bundles/fetch', '422 payload,rids', (peer) => peer.envelope(rids(100_000))],
  [
    '10,001 events',
    '/events/broadcast',
    '422 payload,events',
    (peer) => peer.broadcast(...Array.from({ length: 10_001 }, () => '1')),
  ],
]

describe.each(SUBJECTS)('a node behind %s', (_name, start) => {
  let subject: Subject
  let peer: Peer
  let turn = 0
  const post = async (path: string, body: string | Uint8Array) => {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${subject.url}/koi-net${path}`, { method: 'POST', headers, body: Buffer.from(body) })
    return { status: response.status, body: await response.text() }
  }
  /** Everything that is known there, word for word. */
  const known = async () => {
    const bundles = await subject.node.store.listBundles({ limit: 1_000 })
    return bundles.map(({ bundle: { manifest, contents } }) => manifest.text + contents.text)
  }

  beforeAll(async () => {
    subject = await start()
    peer = new Peer('peer', subject.node.identity.rid)
    await post('/events/broadcast', peer.broadcast(peer.introduction))
    await subject.node.idle()
  })
  afterAll(() => subject.stop())

  it.each(DROPPED)('drops an event with %s, says why, and takes the good one beside it', async (_what, bad, why) => {
    const before = await known()
    subject.lines.length = 0
    const good = newEvent(bundleOf(asRid(`orn:test.good:${(turn += 1)}`), { turn }))
    expect(await post('/events/broadcast', peer.broadcast(bad, good))).toEqual({ status: 200, body: 'null' })
    await subject.node.idle()
    const added = (await known()).filter((text) => !before.includes(text))
    expect(added).toHaveLength(1)
    expect(added[0]).toContain(`"orn:test.good:${turn}"`)
    expect(await known()).toHaveLength(before.length + 1)
    expect(subject.lines).toEqual([
      ['dropped an event', expect.objectContaining({ peer: peer.rid, error: expect.stringContaining(why) as string })],
    ])
  })

  it.each(REFUSED)('refuses %s at %s with %s, says why, and changes nothing', async (_what, path, answer, make) => {
    const before = await known()
    subject.lines.length = 0
    const { status, body } = await post(path, make(peer))
    const { error, detail } = JSON.parse(body) as { error?: string; detail?: { loc: string[] }[] }
    const where = error ?? detail?.[0]?.loc.slice(1, 3).join(',') ?? ''
    expect(`${status} ${where}`.trim()).toBe(answer)
    expect(subject.lines).toMatchObject(
      [[/^refused/, { path, error: expect.any(String) as string }]].map(([, fields]) => [
        expect.stringMatching(/^refused/) as string,
        fields,
      ]),
    )
    await subject.node.idle()
    expect(await known()).toEqual(before)
  })

  it('takes RIDs with newlines and dots for the names that they are', async () => {
    const names = [
      'orn:test.odd:../../../etc/passwd',
      'orn:test.odd:a\nb\r\n',
      'orn:test.odd: %2e%2e/?#\\',
      'orn:test.odd:\u202e💥',
    ]
    expect((await post('/events/broadcast', peer.broadcast(...names.map(about)))).status).toBe(200)
    await subject.node.idle()
    expect(new Set(await subject.node.store.listRids({ types: ['orn:test.odd'] }))).toEqual(new Set(names))
  })

  it('changes nothing when an envelope is sent again, as it was, with the other signature, or with spaces', async () => {
    const rid = asRid('orn:test.replayed:1')
    const old = peer.broadcast(eventText(forgetEvent(rid)))
    await post('/events/broadcast', peer.broadcast(newEvent(bundleOf(rid, { first: true }))))
    await post('/events/broadcast', old)
    await post('/events/broadcast', peer.broadcast(newEvent(bundleOf(rid, { second: true }))))
    await subject.node.idle()
    const before = await known()
    for (const again of [
      old,
      mirrored(old),
      old.replace('{"payload"', '{ "payload" '),
      mirrored(old).replaceAll(',"', ',\n"'),
    ]) {
      subject.lines.length = 0
      expect(await post('/events/broadcast', again)).toEqual({ status: 200, body: 'null' })
      await subject.node.idle()
      expect(await known()).toEqual(before)
      expect(subject.lines).toEqual([['an envelope came again, nothing changed', { peer: peer.rid }]])
    }
  })

  it('takes 10,000 events of one envelope', async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => asRid(`orn:test.many:${index}`))
    expect(
      (await post('/events/broadcast', peer.broadcast(...names.map((rid) => eventText(forgetEvent(rid)))))).status,
    ).toBe(200)
    expect(await post('/events/broadcast', peer.broadcast(about('orn:test.good:behind')))).toEqual({
      status: 200,
      body: 'null',
    })
    expect((await subject.node.store.inboxState()).deadLetters).toBe(0)
  })
})

/** The other signature that verifies: (r, n − s). */
function mirrored(envelope: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
  return signature(envelope, (bytes) => {
    const s = order - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
    return Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]).toString(
      'base64',
    )
  })
}
