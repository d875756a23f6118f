/** Profiles and edges that are not what they should be, told to a real coordinator over HTTP, each together with a good event. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  edgeProfileContents,
  edgeRid,
  eventText,
  forgetEvent,
  KOI_NET_EDGE,
  KOI_NET_NODE,
  nodeProfileContents,
  nodeRid,
} from '@koi-mcp/protocol'
import type { EdgeProfile, NodeProfile, Rid } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { bundleNow, forgetText, Outsider, updateEvent, worked } from '../../test/outsider.ts'
import { eventsPayload, newEvent, recordingLogger, testIdentity, until } from '../../test/peers.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'

const NETWORK = [KOI_NET_NODE.name, KOI_NET_EDGE.name]

const log = recordingLogger()
const node = new CoordinatorNode({ name: 'hub', baseUrl: 'http://127.0.0.1:0/koi-net', domains: [new Notes()], log })
/** A node like any other, and one that tells of others, as a coordinator does. */
let plain: Outsider
let teller: Outsider
const third = testIdentity('third', 'http://third.example/koi-net')
const fourth = testIdentity('fourth', 'http://fourth.example/koi-net')

beforeAll(async () => {
  await node.start()
  plain = await Outsider.start([NoteRID.name])
  teller = await Outsider.start(NETWORK)
  for (const outsider of [plain, teller]) {
    await outsider.introduce(node)
    await until(() => node.graph.edge(outsider.rid, node.identity.rid) !== undefined)
  }
})
afterAll(async () => {
  await Promise.all([plain.stop(), teller.stop()])
  await node.stop()
})

const holdings = async (but: Rid): Promise<unknown> =>
  (await node.store.listBundles())
    .filter(({ rid }) => rid !== but)
    .map(({ rid, bundle, origin, seq }) => [rid, bundle.contents.text, bundle.manifest.text, origin, seq])

/** Warnings about what was dropped; others, about peers of tests before, may come in between. */
const droppedSince = (lines: number): unknown[] =>
  log.lines
    .slice(lines)
    .flatMap(({ level, message, fields }) =>
      level === 'warn' && message.startsWith('dropped') ? [[message, fields]] : [],
    )

let marks = 0
/** Tells the event and a good one behind it; answers the warnings. Nothing but the good one may have changed anything. */
async function refused(by: Outsider, event: string): Promise<unknown> {
  const before = await holdings(by.rid)
  const lines = log.lines.length
  const provides = { event: [...by.identity.profile.provides.event, `orn:good.n${(marks += 1)}`], state: [] }
  await by.tell(node, event, updateEvent(by.profileBundle({ provides })))
  expect(await holdings(by.rid)).toEqual(before)
  expect(node.graph.profile(by.rid)?.provides).toEqual(provides)
  return droppedSince(lines)
}

const profileOf = ({ rid, profile }: NodeIdentity, change: object = {}): string =>
  newEvent(bundleNow(rid, { ...(nodeProfileContents(profile).value as object), ...change }))
const edgeEvent = (profile: EdgeProfile, rid: Rid = edgeRid(profile.source, profile.target)): string =>
  updateEvent(bundleNow(rid, edgeProfileContents(profile).value))

describe('a profile', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const public_key = other.export({ type: 'spki', format: 'der' }).toString('base64')
  const ownPort = (): string => new URL(node.baseUrl ?? '').port

  it.each<[string, () => string, (string | RegExp)?]>([
    [
      'that is malformed',
      () => profileOf(third, { node_type: 'HALF' }),
      'is malformed: node_type: must be FULL or PARTIAL, is "HALF"',
    ],
    ['that is empty', () => newEvent(bundleNow(third.rid, {})), 'is malformed: node_type: is missing'],
    [
      "with another's key",
      () => profileOf(third, { public_key: fourth.profile.public_key }),
      'holds a public key that does not hash to its RID',
    ],
    [
      'with a key of another curve',
      () => profileOf({ ...third, rid: nodeRid('curve', public_key) }, { public_key }),
      'holds a key that verifies nothing: the key must be ECDSA P-256 (prime256v1), is secp384r1',
    ],
    [
      'that claims our base URL',
      () => profileOf(third, { base_url: node.baseUrl }),
      /^claims this node's base_url http:\/\/127/,
    ],
    [
      'that claims our base URL in another spelling',
      () => profileOf(third, { base_url: `HTTP://LocalHost:${ownPort()}/x/../koi-net//` }),
      /^claims this node's base_url http:\/\/127/,
    ],
    [
      'with a base_url of another scheme',
      () => profileOf(third, { base_url: 'file:///etc/passwd' }),
      'is malformed: base_url: must be an http or https address, is "file:///etc/passwd"',
    ],
    ...[
      'http://169.254.169.254/latest',
      'http://0xA9FEA9FE/',
      'http://[fe80::1]:9000/koi-net',
      'http://[::ffff:169.254.169.254]/',
      'http://[fd00:ec2::254]/',
    ].map((base_url): [string, () => string, RegExp] => [
      `of the forbidden address ${base_url}`,
      () => profileOf(third, { base_url }),
      /^names a base_url that is not called: the address \S+ may not be called$/,
    ]),
    [
      'with a password in its base_url',
      () => profileOf(third, { base_url: 'http://user:secret@third.example/koi-net' }),
      'names a base_url that is not called: an address with a user name or password in it is not called',
    ],
    [
      'with a query in its base_url',
      () => profileOf(third, { base_url: 'http://third.example/koi-net?to=' }),
      'names a base_url with a query or a fragment, http://third.example/koi-net?to=',
    ],
    [
      'of a full node without a base_url',
      () => profileOf(third, { base_url: null }),
      'is malformed: base_url: is missing, and a FULL node needs one',
    ],
    [
      'of a megabyte',
      () => profileOf(third, { more: 'x'.repeat(1_000_000) }),
      /^is 100\d+ bytes long, more than 16384$/,
    ],
  ])('%s is refused alone', async (_, event, fault = '') => {
    const text = event()
    const { rid } = JSON.parse(text) as { rid: Rid }
    const message =
      typeof fault === 'string'
        ? `dropped: node profile ${fault}`
        : (expect.stringMatching(new RegExp(fault.source.replace('^', '^dropped: node profile '))) as string)
    expect(await refused(teller, text)).toEqual([[message, { rid, peer: teller.rid }]])
  })

  it('of another node, told by one that does not tell of nodes, is refused alone', async () => {
    expect(await refused(plain, profileOf(third))).toEqual([
      ['dropped: that peer does not provide orn:koi-net.node', { rid: third.rid, peer: plain.rid }],
    ])
  })

  it('of this node is refused alone', async () => {
    const moved = profileOf(node.identity, { base_url: 'http://elsewhere.example/koi-net' })
    const what = { peer: teller.rid, rid: node.identity.rid, error: 'only this node speaks about itself' }
    expect(await refused(teller, moved)).toEqual([['dropped an event', what]])
    expect(await refused(teller, forgetText(node.identity.rid))).toEqual([['dropped an event', what]])
  })

  it.each<[string, Partial<NodeProfile> | object, number, string | RegExp]>([
    ['malformed', { node_type: 'HALF' }, 422, /"contents","node_type"\],"msg":"must be FULL or PARTIAL/],
    [
      "with another's key",
      { public_key: fourth.profile.public_key },
      400,
      '{"type":"error_response","error":"invalid_key"}',
    ],
    ['of a full node without a base_url', { base_url: null }, 422, /"contents","base_url"\],"msg":"is missing/],
    ['that claims our base URL', {}, 200, 'null'],
    ['of a megabyte', { more: 'x'.repeat(1_000_000) }, 200, 'null'],
  ])('%s introduces nobody', async (what, change, status, body) => {
    const newcomer = await Outsider.start()
    const before = await holdings(newcomer.rid)
    const profile = what.startsWith('that claims') ? { base_url: node.baseUrl } : change
    const reply = await newcomer.call(node, '/events/broadcast', eventsPayload(profileOf(newcomer.identity, profile)))
    await worked(node)
    expect(reply).toEqual({ status, body: typeof body === 'string' ? body : (expect.stringMatching(body) as string) })
    expect(node.graph.profile(newcomer.rid)).toBeUndefined()
    expect(await holdings(newcomer.rid)).toEqual(before)
    await newcomer.introduce(node)
    expect(node.graph.profile(newcomer.rid)).toEqual(newcomer.identity.profile)
    await newcomer.tell(node, forgetText(newcomer.rid))
    await newcomer.stop()
  })
})

describe('an edge', () => {
  const types = (count: number): string[] => Array.from({ length: count }, (_, index) => `orn:many.n${index}`)
  const edge = (source: Rid, target: Rid, more: Partial<EdgeProfile> = {}): EdgeProfile => ({
    source,
    target,
    edge_type: 'WEBHOOK',
    status: 'PROPOSED',
    rid_types: [KOI_NET_NODE.name],
    ...more,
  })
  const self = (): Rid => node.identity.rid

  it.each<[string, () => string, string]>([
    ['between others', () => edgeEvent(edge(third.rid, fourth.rid)), 'that peer does not provide orn:koi-net.edge'],
    [
      'under a wrong RID',
      () => edgeEvent(edge(plain.rid, third.rid), edgeRid(third.rid, plain.rid)),
      'the edge RID is not that of its ends',
    ],
    [
      'born approved',
      () => edgeEvent(edge(self(), plain.rid, { status: 'APPROVED' })),
      'an edge of ours arrived approved; only this node approves it',
    ],
    ['from a node to itself', () => edgeEvent(edge(plain.rid, plain.rid)), 'an edge from a node to itself'],
    [
      'naming 10,000 RID types',
      () => edgeEvent(edge(self(), plain.rid, { rid_types: types(10_000) })),
      'an edge of 169192 bytes, more than 16384',
    ],
    [
      'approved for more types than were asked for',
      () =>
        edgeEvent(edge(plain.rid, self(), { status: 'APPROVED', rid_types: [...NETWORK, NoteRID.name, 'orn:more'] })),
      'an edge arrived approved for orn:more, which this node did not ask for',
    ],
    [
      'proposed by its provider',
      () => edgeEvent(edge(plain.rid, self(), { rid_types: ['orn:more'] })),
      'only the subscriber itself proposes its edge',
    ],
    [
      'of ours, proposed by a third',
      () => edgeEvent(edge(self(), third.rid)),
      'that peer does not provide orn:koi-net.edge',
    ],
    [
      'to us, told by a third',
      () => edgeEvent(edge(third.rid, self(), { status: 'APPROVED' })),
      'that peer does not provide orn:koi-net.edge',
    ],
    [
      'that is malformed',
      () => updateEvent(bundleNow(edgeRid(self(), plain.rid), { source: plain.rid })),
      'malformed edge: ProtocolError: target: is missing',
    ],
  ])('%s is refused alone', async (_, event, fault) => {
    const text = event()
    const { rid } = JSON.parse(text) as { rid: Rid }
    expect(await refused(plain, text)).toEqual([[`dropped: ${fault}`, { rid, peer: plain.rid }]])
  })

  it('between others whose contents are fetched only after it was announced is refused alone', async () => {
    const bundle = bundleNow(edgeRid(third.rid, fourth.rid), edgeProfileContents(edge(third.rid, fourth.rid)).value)
    plain.holds.set(bundle.manifest.rid, bundle)
    const announced = eventText({ rid: bundle.manifest.rid, event_type: 'NEW', manifest: bundle.manifest })
    expect(await refused(plain, announced)).toEqual([
      ['dropped: that peer does not provide orn:koi-net.edge', { rid: bundle.manifest.rid, peer: plain.rid }],
    ])
    plain.holds.clear()
  })

  it('of ours that a third forgets stays', async () => {
    const rid = edgeRid(teller.rid, self())
    expect(await refused(plain, eventText(forgetEvent(rid)))).toEqual([
      ['dropped: only its two ends forget an edge of this node', { rid, peer: plain.rid }],
    ])
  })

  it('that flaps 500 times costs no more than it flaps, and ends as it was told last', async () => {
    const rid = edgeRid(self(), plain.rid)
    const lines = log.lines.length
    const changes = await node.store.lastChange()
    plain.heard.length = 0
    for (let round = 0; round < 5; round++) {
      const events = Array.from({ length: 100 }, () => [edgeEvent(edge(self(), plain.rid)), forgetText(rid)]).flat()
      await plain.tell(node, ...events, ...(round < 4 ? [] : [edgeEvent(edge(self(), plain.rid))]))
    }
    await node.idle()
    expect(node.graph.edge(self(), plain.rid)?.profile.status).toBe('APPROVED')
    await until(() => plain.heard.at(-1)?.event_type === 'UPDATE')
    // Each proposal is cached, approved and forgotten; each approval is told, and nothing else.
    expect((await node.store.lastChange()) - changes).toBeLessThanOrEqual(3 * 501)
    expect(plain.heard.length).toBeLessThanOrEqual(501)
    expect(new Set(plain.heard.map((event) => event.rid))).toEqual(new Set([rid]))
    expect(droppedSince(lines)).toEqual([])
    expect((await node.store.outboxState()).filter(({ target }) => target === plain.rid)).toEqual([])
    await plain.tell(node, forgetText(rid))
    expect(node.graph.edge(self(), plain.rid)).toBeUndefined()
  })
})
