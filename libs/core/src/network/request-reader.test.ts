import { execFileSync } from 'node:child_process'
import { afterAll, describe, expect, it } from 'vitest'
import { eventText, forgetEvent, nodeProfileContents, payloadText } from '@koi-mcp/protocol'
import type { EndpointPath, Rid } from '@koi-mcp/protocol'
import { takeLane } from '../../test/lanes.ts'
import {
  DATASET,
  envelopeOf,
  eventsPayload,
  newEvent,
  profileBundle,
  recordingLogger,
  testBundle,
  testIdentity,
} from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { handleRequest } from './request-handler.ts'
import type { RequestDeps } from './request-handler.ts'
import { RequestReader } from './request-reader.ts'

const us = testIdentity('us')
const peer = testIdentity('peer')
const stranger = testIdentity('stranger')
const reader = new RequestReader()
afterAll(() => reader.close())

const LIMITS = { maxValues: 1_000_000, maxItems: 10_000 }
const large = newEvent(testBundle('large', { text: 'é'.repeat(40_000) }))
const huge = newEvent(testBundle('huge', { text: 'x'.repeat(1_100_000) }))
const broadcast = (from: typeof peer, ...events: readonly string[]) =>
  envelopeOf(from, us.rid, eventsPayload(...events))
const malformed = profileBundle({ ...stranger, profile: { ...stranger.profile, node_type: 'HALF' as 'FULL' } })
const rids = Array.from({ length: 4_000 }, (_, index) => DATASET.of(`${index}`))
const BODIES: readonly (readonly [what: string, path: EndpointPath, body: string])[] = [
  [
    'events',
    '/events/broadcast',
    broadcast(peer, large, newEvent(testBundle('1')), eventText(forgetEvent(DATASET.of('2')))),
  ],
  ['a megabyte', '/events/broadcast', broadcast(peer, huge)],
  ['indented', '/events/broadcast', broadcast(peer, large).replaceAll(',"', ' ,\n "')],
  [
    'bad events beside good ones',
    '/events/broadcast',
    broadcast(peer, '{"rid":7}', large, large.replace('éé', 'e'), 'null', '{"rid":"x:1"}'),
  ],
  ['a stranger', '/events/broadcast', broadcast(stranger, large)],
  [
    'a stranger who introduces itself',
    '/events/broadcast',
    broadcast(stranger, newEvent(profileBundle(stranger)), large),
  ],
  ['a stranger who introduces itself badly', '/events/broadcast', broadcast(stranger, newEvent(malformed), large)],
  [
    'somebody known whose profile is bad',
    '/events/broadcast',
    broadcast(
      peer,
      newEvent(profileBundle({ ...peer, profile: { ...peer.profile, node_type: 'HALF' as 'FULL' } })),
      large,
    ),
  ],
  ['a changed text', '/events/broadcast', broadcast(peer, large).replace('"NEW"', '"UPDATE"')],
  ['another’s envelope', '/events/broadcast', envelopeOf(peer, stranger.rid, eventsPayload(large))],
  ['another path’s payload', '/events/poll', broadcast(peer, large)],
  ['RIDs', '/bundles/fetch', envelopeOf(peer, us.rid, payloadText({ type: 'fetch_bundles', rids }))],
  [
    'RIDs that are none',
    '/manifests/fetch',
    envelopeOf(peer, us.rid, `{"type":"fetch_manifests","rid_types":[],"rids":[${'1,"x:y",'.repeat(4_500)}2]}`),
  ],
  [
    'too many RIDs',
    '/bundles/fetch',
    envelopeOf(peer, us.rid, `{"type":"fetch_bundles","rids":[${'"x:y",'.repeat(10_000)}"x:y"]}`),
  ],
  [
    'RID types',
    '/rids/fetch',
    envelopeOf(
      peer,
      us.rid,
      payloadText({ type: 'fetch_rids', rid_types: Array.from({ length: 9_000 }, () => 'https') }),
    ),
  ],
  ['no JSON', '/rids/fetch', '['.repeat(50_000)],
]

async function answering(change: Partial<RequestDeps>) {
  const store = await openSqliteStore({ path: ':memory:' })
  const graph = new NetworkGraph(us.rid)
  graph.observe(peer.rid, nodeProfileContents(peer.profile))
  const log = recordingLogger()
  const deps: RequestDeps = { identity: us, store, graph, log, clock: Date.now, ...change }
  return async (path: EndpointPath, body: string) => {
    log.lines.length = 0
    const { status, body: text } = await handleRequest(path, Buffer.from(body), deps)
    // Of a signed reply all but the signature, which is another each time.
    const inbox: [Rid, string | undefined, string | undefined][] = []
    for (let lease = await takeLane(store); lease; lease = await takeLane(store)) {
      for (let next = await store.nextArrival(lease); next; next = await store.nextArrival(lease)) {
        inbox.push([next.rid, next.manifest?.text, next.contents?.text])
        await store.finish(lease, next.place, { arrivals: [], sends: [] })
      }
      await store.releaseLane(lease)
    }
    return { status, text: text.split('"signature"')[0], inbox, lines: [...log.lines] }
  }
}

describe('large requests, read in another thread', () => {
  it.each(BODIES)('are answered and taken as in this one: %s', async (_what, path, body) => {
    expect(body.length).toBeGreaterThan(16 * 1024)
    const [there, here] = [await answering({ reader }), await answering({})]
    const read = await there(path, body)
    expect(read).toEqual(await here(path, body))
    expect(read.status).toBeLessThan(500)
    // A replay is known whichever thread has read it.
    expect(await there(path, body)).toEqual(await here(path, body))
  })

  it('leave the event loop to others meanwhile', async () => {
    const body = Buffer.from(`{"payload":{"a":[${'[],'.repeat(400_000)}1]}}`)
    let turns = 0
    let counting = true
    const count = () => {
      turns += 1
      if (counting) setImmediate(count)
    }
    setImmediate(count)
    await expect(reader.read({ path: '/rids/fetch', body, limits: LIMITS })).rejects.toThrow('source_node: is missing')
    counting = false
    expect(turns).toBeGreaterThan(20)
  })

  it('take turns by where they come from', async () => {
    const ended: string[] = []
    const read = async (from: string) => {
      const order = { path: '/events/broadcast', body: Buffer.from(BODIES[0]![2]), limits: LIMITS } as const
      await reader.read(order, from)
      ended.push(from)
    }
    await Promise.all([read('a'), read('a'), read('a'), read('b'), read('c')])
    // The first was under way before anybody else asked.
    expect(ended).toEqual(['a', 'a', 'b', 'c', 'a'])
  })

  // Its thread makes itself less urgent still, and to be more urgent than it is takes a right that containers do not have.
  it.skipIf(process.platform !== 'linux')('are read in a process that is less urgent than others', () => {
    const body = BODIES[0]![2]
    const script = `
      const { RequestReader } = await import(${JSON.stringify(new URL('request-reader.ts', import.meta.url).href)})
      const body = process.getBuiltinModule('node:fs').readFileSync(0)
      const read = await new RequestReader().read({ path: '/events/broadcast', body, limits: ${JSON.stringify(LIMITS)} })
      console.log(read.payload.events.length)`
    const node = [
      process.execPath,
      '--no-warnings',
      '--conditions=@koi-mcp/source',
      '--input-type=module',
      '-e',
      script,
    ]
    const asUser = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-sys_nice'] : []
    const [program = '', ...args] = [...asUser, 'nice', '-n', '10', ...node]
    expect(execFileSync(program, args, { input: body, encoding: 'utf8' })).toBe('3\n')
  })

  it('are answered 503 where the thread ends, and the next one is read', async () => {
    const own = new RequestReader()
    const call = await answering({ reader: own })
    const body = BODIES[1]![2]
    const cut = call('/events/broadcast', body)
    await own.close()
    expect(await cut).toMatchObject({ status: 503, inbox: [], lines: [{ level: 'error' }] })
    expect(await call('/events/broadcast', body)).toMatchObject({ status: 200, inbox: [expect.anything()] })
    await own.close()
  })

  it('are given up when the node stops, and a closed reader has no thread left', async () => {
    const own = new RequestReader()
    const order = { path: '/events/broadcast', body: Buffer.from(BODIES[1]![2]), limits: LIMITS } as const
    const reads = [own.read(order), own.read(order)].map((read) =>
      read.then(
        () => 'read',
        (error: Error) => error.message,
      ),
    )
    await own.close()
    expect(await Promise.all(reads)).toEqual(['the thread that reads requests ended', 'the node stops'])
  })
})
