import type { Rid } from '@koi-mcp/protocol'
import { bundleEvent, eventsPayload } from './peer.ts'
import type { FuzzPeer } from './peer.ts'

/** One way to make a node work hard, sent by many at the same time from one address. */
interface Attack {
  readonly path: string
  readonly bodies: readonly Buffer[]
  readonly atOnce: number
}

type Sign = (payload: string | object) => Buffer

const MIB = 2 ** 20
const filled = (item: string, bytes: number) => item.repeat(Math.floor(bytes / item.length))
const rawEvents = (item: string, bytes: number) =>
  Buffer.from(`{"payload":{"type":"events_payload","events":[${filled(item, bytes)}1]}}`)
const fetch = (count: number) => ({
  type: 'fetch_bundles',
  rids: Array.from({ length: count }, (_, index) => `orn:fuzz.thing:${index}`),
})
const about = (index: number, contents: object) =>
  eventsPayload([bundleEvent('NEW', `orn:fuzz.attack:${index}`, { index, ...contents })])
const several = (count: number, make: (index: number) => Buffer) =>
  Array.from({ length: count }, (_, index) => make(index))
const values = (count: number) => ({ list: Array.from({ length: count / 4 }, () => ({ a: [1.5] })) })
const forgets = (count: number, of: number) =>
  eventsPayload(
    Array.from({ length: count }, (_, index) => ({ rid: `orn:fuzz.many:${of}-${index}`, event_type: 'FORGET' })),
  )

const BROADCAST = '/events/broadcast'
const BUNDLES = '/bundles/fetch'

const ATTACKS: Readonly<Record<string, (sign: Sign) => Attack>> = {
  nothing: () => ({ path: BUNDLES, bodies: [], atOnce: 0 }),
  '10 MiB of brackets': () => ({ path: BROADCAST, bodies: [Buffer.from(filled('[', 10 * MIB))], atOnce: 8 }),
  '15 MiB of empty lists as events': () => ({ path: BROADCAST, bodies: [rawEvents('[],', 15 * MIB)], atOnce: 8 }),
  '990,000 lists and numbers, nested and never closed': () => ({
    path: BROADCAST,
    bodies: [Buffer.from(`{"payload":${'[[[{},1],'.repeat(990_000 / 6)}`)],
    atOnce: 8,
  }),
  '990,000 numbers that are to be printed anew': () => ({
    path: BROADCAST,
    bodies: [rawEvents('1e5,', 990_000 * 4)],
    atOnce: 8,
  }),
  '16 KB of such numbers': () => ({ path: BROADCAST, bodies: [rawEvents('1e5,', 16_000)], atOnce: 64 }),
  '10,000 signed events in an envelope': (sign) => ({
    path: BROADCAST,
    bodies: several(8, (index) => sign(forgets(10_000, index))),
    atOnce: 2,
  }),
  'signed contents of 95,000 values': (sign) => ({
    path: BROADCAST,
    bodies: several(8, (index) => sign(about(index, values(95_000)))),
    atOnce: 8,
  }),
  'signed contents of 4 million characters': (sign) => ({
    path: BROADCAST,
    bodies: several(8, (index) => sign(about(index, { text: 'é, '.repeat(1_390_000) }))),
    atOnce: 8,
  }),
  '100,000 RIDs asked for': (sign) => ({ path: BUNDLES, bodies: [sign(fetch(100_000))], atOnce: 16 }),
  '10,000 RIDs asked for': (sign) => ({ path: BUNDLES, bodies: [sign(fetch(10_000))], atOnce: 32 }),
  'a bad signature over 15 MiB': (sign) => ({
    path: BUNDLES,
    bodies: [badly(sign(`{"type":"fetch_bundles","rids":["x:${filled('a', 15 * MIB)}"]}`))],
    atOnce: 8,
  }),
  'small requests, as many as go': (sign) => ({ path: BUNDLES, bodies: [sign(fetch(1))], atOnce: 256 }),
}

/** Another letter in the text that was signed. */
function badly(envelope: Buffer): Buffer {
  envelope[envelope.indexOf('x:a') + 2] = 0x62
  return envelope
}

export const attackNames: readonly string[] = Object.keys(ATTACKS)

export function attackOf(name: string, mallory: FuzzPeer, target: Rid): Attack {
  const make = ATTACKS[name]
  if (make === undefined) throw new Error(`there is no attack ${name}`)
  return make((payload) =>
    Buffer.from(mallory.sign(typeof payload === 'string' ? payload : JSON.stringify(payload), target)),
  )
}
