/** What a hostile node sends: everything that ends, or fools, a node of the reference that gets to see it. */
import { createHash } from 'node:crypto'
import { edgeRid, nodeProfileContents, parseContents, sha256Contents } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { eventsText, HandNode, now } from './hand-node.ts'
import type { Target } from './side.ts'

export interface Attack {
  readonly name: string
  /** It is about the hostile node itself, which is another for each of these. */
  readonly isAboutItself: boolean
  /** A whole payload, as it stands in the envelope, signed by `hostile` for `to`. */
  readonly payload: (hostile: HandNode, to: Target, victim: Target) => string
}

const quoted = (text: string): string => JSON.stringify(text)

interface Parts {
  readonly type?: string
  readonly hash?: string
  readonly timestamp?: string
  /** More fields of the manifest, as JSON text behind a comma. */
  readonly more?: string
  readonly manifestRid?: string
}

/** An event with contents as they stand, and the hash that they have if they have one. */
function event(rid: string, contents: string, parts: Parts = {}): string {
  const { type = 'NEW', hash = hashOf(contents), timestamp = now(), more = '', manifestRid = rid } = parts
  const manifest = `{"rid":${quoted(manifestRid)},"timestamp":${quoted(timestamp)},"sha256_hash":${quoted(hash)}${more}}`
  return `{"rid":${quoted(rid)},"event_type":${quoted(type)},"manifest":${manifest},"contents":${contents}}`
}

function hashOf(contents: string): string {
  try {
    return sha256Contents(parseContents(contents).value)
  } catch {
    return createHash('sha256').update(contents).digest('hex')
  }
}

const note = (reference: string): string => `orn:notes.note:${reference}`
const about = (rid: string) => () => eventsText([event(rid, '{"a":1}')])
let said = 0
const saying = (contents: string) => () => eventsText([event(note(`said ${said++}`), contents)])
const manifested = (parts: Parts) => () => eventsText([event(note(`said ${said++}`), '{"a":1}', parts)])
/** Its own profile, with whatever is told; introduced, so that it counts as its word. */
const profiled =
  (make: (hostile: HandNode, victim: Target) => object) => (hostile: HandNode, _to: Target, victim: Target) =>
    eventsText([event(hostile.rid, JSON.stringify(make(hostile, victim)), { type: 'UPDATE' })])
const profile = (hostile: HandNode) => nodeProfileContents(hostile.profile).value
const edged =
  (make: (hostile: HandNode, to: Target, victim: Target) => { rid?: string; contents: object | string }) =>
  (hostile: HandNode, to: Target, victim: Target) => {
    const { rid = edgeRid(hostile.rid, to.rid), contents } = make(hostile, to, victim)
    return eventsText([event(rid, typeof contents === 'string' ? contents : JSON.stringify(contents))])
  }
const edge = (source: Rid, target: Rid, more: object = {}) => ({
  source,
  target,
  edge_type: 'WEBHOOK',
  status: 'PROPOSED',
  rid_types: ['orn:koi-net.node'],
  ...more,
})
const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`

const RIDS: Readonly<Record<string, string>> = {
  'of 400 characters': note('x'.repeat(400)),
  'of 188 bytes': note('x'.repeat(188 - 15)),
  'of 187 bytes': note('x'.repeat(187 - 15)),
  'of 187 bytes in characters of three': note('鍵'.repeat(57) + 'x'),
  'of 120 characters of four bytes': note('😀'.repeat(120)),
  'with NUL': note('a\0b'),
  'with line ends': note('a\r\nb'),
  'with ../': note('../../../etc/passwd'),
  'with a slash first': note('/etc/passwd'),
  'of a dot': note('.'),
  'of a space': note(' '),
  'of a controls': note('\u0001\u001b[2J'),
  'in small letters': note('case'),
  'in capital letters': note('CASE'),
  'that is composed': note('é'),
  'that is decomposed': note('e\u0301'),
  'that no type prints': 'https://x.org?',
  'that its type prints otherwise': 'orn:github.issue:o/r:007',
  'that its type refuses': 'orn:slack.message:a',
  'that its type makes nothing of': 'orn:discord.message:a',
  'that wraps what is none': 'orn:vector:nothing',
  'of a node without a plus': 'orn:koi-net.node:x',
  'of a node with two': 'orn:koi-net.node:a+b+c',
  'of a type named as a class': 'orn:rid:x',
  'of the type ORN': 'orn:o.r.n:x',
  'without a scheme': ':x',
  'that is none': 'x',
  'that is empty': '',
}

const CONTENTS: Readonly<Record<string, string>> = {
  'that are empty': '{}',
  'with 1e400': '{"n":1e400}',
  'with -1e400': '{"n":-1e400}',
  'with an integer of 400 digits': `{"n":${'9'.repeat(400)}}`,
  'with an integer of 5,000 digits': `{"n":${'9'.repeat(5000)}}`,
  'with NaN': '{"n":NaN}',
  'with Infinity': '{"n":Infinity}',
  'with half a surrogate pair': '{"s":"\\ud800"}',
  'with half a surrogate pair as a name': '{"\\udc00":1}',
  'with NUL': '{"\\u0000":"\\u0000"}',
  'nested 150 deep': nested(150),
  'nested 195 deep': nested(195),
  'nested 250 deep': nested(250),
  "nested deeper than Python's recursion": nested(1_500),
  'nested 100,000 deep': nested(100_000),
  'with a name twice': '{"a":1,"a":2}',
  'that are a list': '[1]',
  'that are text': '"x"',
  'that are null': 'null',
  'with __proto__ and names of methods': '{"__proto__":{"a":1},"model_dump":1,"self":2,"__class__":3}',
  'of 300 kB': `{"s":"${'x'.repeat(300_000)}"}`,
}

const MANIFESTS: Readonly<Record<string, Parts>> = {
  'about another RID': { manifestRid: note('another') },
  'with another hash': { hash: '0'.repeat(64) },
  'with a hash of nothing': { hash: '' },
  'with a timestamp without a zone': { timestamp: '2026-01-01T00:00:00' },
  'with a timestamp that is a number': { timestamp: '1700000000' },
  'with a timestamp that is a date': { timestamp: '2026-01-01' },
  'with a timestamp in the year 1': { timestamp: '0001-01-01T00:00:00+23:59' },
  'with a timestamp in the year 9999': { timestamp: '9999-12-31T23:59:59.999999-23:59' },
  'with a zone of 25 hours': { timestamp: '2026-01-01T00:00:00+25:00' },
  'with a timestamp that is none': { timestamp: 'yesterday' },
  'with 5,000 unknown fields': { more: Array.from({ length: 5_000 }, (_, index) => `,"f${index}":${index}`).join('') },
  'with an unknown field nested 180 deep': { more: `,"deep":${'['.repeat(180)}${']'.repeat(180)}` },
  'with an unknown field of 1e400': { more: ',"n":1e400' },
  'with a field that Python keeps for itself': {
    more: ',"model_config":1,"__pydantic_extra__":{},"model_fields_set":[]',
  },
  'with its RID twice': { more: `,"rid":${quoted(note('twice'))}` },
}

const PROFILES: Readonly<Record<string, (hostile: HandNode, victim: Target) => object>> = {
  'of a full node without an address': (hostile) => ({ ...profile(hostile), node_type: 'FULL', base_url: null }),
  'of no type': (hostile) => ({ ...profile(hostile), node_type: 'HALF' }),
  'without a key': (hostile) => ({ ...profile(hostile), public_key: null }),
  "with another's key": (hostile) => ({ ...profile(hostile), public_key: new HandNode('x').publicKey }),
  'with types that are none': (hostile) => ({ ...profile(hostile), provides: { event: ['a:b:c', ''], state: [] } }),
  'with types that are RIDs': (hostile) => ({
    ...profile(hostile),
    provides: { event: ['orn:a.b:c'], state: ['x:y'] },
  }),
  'with provides of another shape': (hostile) => ({ ...profile(hostile), provides: ['orn:notes.note'] }),
  'with the address of the victim': (hostile, { url }) => ({ ...profile(hostile), node_type: 'FULL', base_url: url }),
  'with an address of another scheme': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: 'file:///etc/passwd',
  }),
  'with an address of no host': (hostile) => ({ ...profile(hostile), node_type: 'FULL', base_url: 'http://' }),
  'with a port of 99999': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: 'http://127.0.0.1:99999/x',
  }),
  'with an address with a control': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: 'http://127.0.0.1:1/\u0001',
  }),
  'with an address in brackets': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: 'http://[::1/koi-net',
  }),
  'with an address of 70 kB': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: `http://127.0.0.1:1/${'x'.repeat(70_000)}`,
  }),
  'with an address with a name that no DNS takes': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: `http://${'a'.repeat(64)}.x/`,
  }),
  'with a context that is none': (hostile) => ({ ...profile(hostile), '@context': 'none' }),
  'with a context that is a number': (hostile) => ({ ...profile(hostile), '@context': 7 }),
  'with all that anyone wants, at an address where nobody is': (hostile) => ({
    ...profile(hostile),
    node_type: 'FULL',
    base_url: 'http://127.0.0.1:1/koi-net',
    provides: { event: ['orn:notes.note', 'orn:koi-net.node', 'orn:koi-net.edge'], state: ['orn:notes.note'] },
  }),
}

const EDGES: Readonly<Record<string, Parameters<typeof edged>[0]>> = {
  'without anything': () => ({ contents: {} }),
  'with ends that are no nodes': (hostile, to) => ({
    contents: { ...edge(hostile.rid, to.rid), source: 'orn:notes.note:x' },
  }),
  'with ends that are no RIDs': (hostile, to) => ({ contents: { ...edge(hostile.rid, to.rid), target: 'nobody' } }),
  'of no type': (hostile, to) => ({ contents: edge(hostile.rid, to.rid, { edge_type: 'PIGEON' }) }),
  'of no status': (hostile, to) => ({ contents: edge(hostile.rid, to.rid, { status: 'MAYBE' }) }),
  'of types that are none': (hostile, to) => ({ contents: edge(hostile.rid, to.rid, { rid_types: ['a:b:c'] }) }),
  'of types that are no list': (hostile, to) => ({
    contents: edge(hostile.rid, to.rid, { rid_types: 'orn:koi-net.node' }),
  }),
  'under another RID': (hostile, to) => ({ rid: 'orn:koi-net.edge:x', contents: edge(hostile.rid, to.rid) }),
  'between others': (_hostile, to, victim) => ({
    rid: edgeRid(to.rid, victim.rid),
    contents: edge(to.rid, victim.rid, { status: 'APPROVED', rid_types: [] }),
  }),
  'from the victim to itself': (_hostile, _to, victim) => ({
    rid: edgeRid(victim.rid, victim.rid),
    contents: edge(victim.rid, victim.rid),
  }),
  'to the victim, approved': (hostile, _to, victim) => ({
    rid: edgeRid(hostile.rid, victim.rid),
    contents: edge(hostile.rid, victim.rid, { status: 'APPROVED' }),
  }),
  'from the victim, malformed': (hostile, _to, victim) => ({
    rid: edgeRid(victim.rid, hostile.rid),
    contents: { source: victim.rid, target: hostile.rid },
  }),
  'with a context that is none': (hostile, to) => ({ contents: edge(hostile.rid, to.rid, { '@context': 'none' }) }),
}

const EVENTS: Readonly<Record<string, (hostile: HandNode, to: Target, victim: Target) => string>> = {
  'of no type': () => eventsText([event(note('no type'), '{"a":1}', { type: 'CHANGE' })]),
  'with a manifest alone': () =>
    eventsText([
      `{"rid":"${note('alone')}","event_type":"NEW","manifest":{"rid":"${note('alone')}","timestamp":"${now()}","sha256_hash":"${'0'.repeat(64)}"}}`,
    ]),
  'with an RID alone': () => eventsText([`{"rid":"${note('bare')}","event_type":"NEW"}`]),
  'that forgets with contents': () => eventsText([event(note('forgets'), '{"a":1}', { type: 'FORGET' })]),
  // That anyone forgets the victim is what the open mode allows; with the default it is refused, and a test of the pipeline's.
  'that forgets this node': (_hostile, to) => eventsText([`{"rid":"${to.rid}","event_type":"FORGET"}`]),
  'about the victim': (_hostile, _to, victim) =>
    eventsText([event(victim.rid, '{"node_type":"FULL","public_key":"x"}', { type: 'UPDATE' })]),
  'that is null': () => '{"type":"events_payload","events":[null]}',
  'in a list that is none': () => '{"type":"events_payload","events":{}}',
  'many of them': (hostile) =>
    eventsText(Array.from({ length: 100 }, (_, index) => event(note(`${hostile.rid.slice(-6)} ${index}`), '{}'))),
  'in a payload of another type': () => '{"type":"rids_payload","rids":["x"]}',
}

const named = (what: string, table: Readonly<Record<string, Attack['payload']>>): Attack[] =>
  Object.entries(table).map(([name, payload]) => ({
    name: `${what} ${name}`,
    isAboutItself: what === 'a profile' || what === 'an edge',
    payload,
  }))
const mapped = <T>(table: Readonly<Record<string, T>>, make: (entry: T) => Attack['payload']) =>
  Object.fromEntries(Object.entries(table).map(([name, entry]) => [name, make(entry)]))

export const ATTACKS: readonly Attack[] = [
  ...named('an RID', mapped(RIDS, about)),
  ...named('contents', mapped(CONTENTS, saying)),
  ...named('a manifest', mapped(MANIFESTS, manifested)),
  ...named('a profile', mapped(PROFILES, profiled)),
  ...named('an edge', mapped(EDGES, edged)),
  ...named('an event', EVENTS),
]

/** The payload with a good event in front, as far as it has events. */
export function withGoodEvent({ name }: Attack, payload: string): string {
  return payload.replace('"events":[', () => `"events":[${event(besideOf(name), '{"good":true}')},`)
}

export const besideOf = (name: string): string => note(`beside ${name}`)
