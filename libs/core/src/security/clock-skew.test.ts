/** What another node dates into the future, by each way that it may come in. */
import { afterEach, expect, it } from 'vitest'
import { eventFromManifest, eventText } from '@koi-mcp/protocol'
import { NoteRID, Notes } from '../../test/notes.ts'
import { bundleNow, Outsider, updateEvent } from '../../test/outsider.ts'
import { newEvent, recordingLogger, until } from '../../test/peers.ts'
import { ConsumerNode } from '../nodes/consumer-node.ts'
import type { KoiNode } from '../nodes/koi-node.ts'
import type { NodeOptions } from '../nodes/node-options.ts'

const SKEW_S = 60
const TOO_LATE = 'dropped: dated'

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

async function reader(more: Partial<NodeOptions> = {}) {
  const log = recordingLogger()
  const network = { maxClockSkewMs: SKEW_S * 1_000, pollIntervalMs: 20 }
  const domains = [new Notes()]
  const node = new ConsumerNode({
    name: 'reader',
    baseUrl: 'http://127.0.0.1:0/koi-net',
    domains,
    log,
    network,
    ...more,
  })
  await node.start()
  stops.push(() => node.stop())
  const dropped = () =>
    log.lines
      .filter(({ level, message }) => level === 'warn' && message.startsWith(TOO_LATE))
      .map(({ fields }) => fields)
  return { node, log, dropped }
}

async function provider(): Promise<Outsider> {
  const outsider = await Outsider.start([NoteRID.name])
  stops.push(outsider.stop)
  return outsider
}

const late = NoteRID.of('late')
const good = NoteRID.of('good')
const bundles = () => [bundleNow(late, { n: 1 }, SKEW_S + 10), bundleNow(good, { n: 1 }, SKEW_S - 10)] as const
const has = (node: KoiNode, rid: typeof late) => async () => (await node.store.read(rid)) !== undefined

it('is dropped by itself from a broadcast, as is a date without a zone or without sense', async () => {
  const [{ node, log, dropped }, outsider] = [await reader(), await provider()]
  await outsider.introduce(node)
  await outsider.approve(node)
  const [tooLate, inTime] = bundles()
  const dated = (name: string, text: string) => {
    const bundle = bundleNow(NoteRID.of(name), { n: 1 })
    return newEvent(bundle).replace(bundle.manifest.timestamp, text)
  }
  const event = newEvent(tooLate)
  await outsider.tell(
    node,
    event,
    dated('no zone', '2026-01-31T12:00:00'),
    dated('no date', '31 January'),
    newEvent(inTime),
  )
  expect(await node.store.listRids({ types: [NoteRID.name] })).toEqual([good])
  expect(dropped()).toEqual([{ rid: late, peer: outsider.rid }])
  const malformed = log.lines.filter(({ message }) => message === 'dropped an event').map(({ fields }) => fields)
  expect(malformed).toEqual([
    {
      peer: outsider.rid,
      rid: NoteRID.of('no zone'),
      error: 'payload.events[1].manifest.timestamp: "2026-01-31T12:00:00" has no time zone (add Z for UTC)',
    },
    {
      peer: outsider.rid,
      rid: NoteRID.of('no date'),
      error:
        'payload.events[2].manifest.timestamp: "31 January" is no timestamp (expected 2026-01-31T12:00:00.000001Z)',
    },
  ])
})

it('is dropped when it is fetched behind an event that announced another date', async () => {
  const [{ node, dropped }, outsider] = [await reader(), await provider()]
  await outsider.introduce(node)
  await outsider.approve(node)
  await node.idle()
  const [tooLate] = bundles()
  outsider.holds.set(late, tooLate)
  await outsider.tell(
    node,
    eventText(eventFromManifest('NEW', bundleNow(late, { n: 1 }).manifest)),
    newEvent(bundles()[1]),
  )
  expect(await node.store.listRids({ types: [NoteRID.name] })).toEqual([good])
  expect(dropped()).toEqual([{ rid: late, peer: outsider.rid }])
})

it('is dropped from what is polled', async () => {
  const outsider = await provider()
  const firstContact = outsider.identity.profile.base_url
  const { node, dropped } = await reader({ baseUrl: undefined, firstContact, firstContactRid: outsider.rid })
  outsider.queued.push(newEvent(outsider.profileBundle()))
  await until(() => node.graph.edge(outsider.rid, node.identity.rid) !== undefined)
  outsider.queued.push(...bundles().map(newEvent))
  await until(has(node, good))
  await until(() => dropped().length === 1)
  expect(await node.store.listRids({ types: [NoteRID.name] })).toEqual([good])
})

it('is dropped from what is caught up with and dereferenced', async () => {
  const [{ node, dropped }, outsider] = [await reader(), await provider()]
  for (const bundle of bundles()) outsider.holds.set(bundle.manifest.rid, bundle)
  await outsider.introduce(node)
  await outsider.approve(node)
  await until(has(node, good))
  await until(() => dropped().length === 1)
  await node.deref(late, { network: true })
  await until(() => dropped().length === 2)
  expect(await node.store.listRids({ types: [NoteRID.name] })).toEqual([good])
})

it('counts once its day has come', async () => {
  let now = Date.now()
  const [{ node, dropped }, outsider] = [await reader({ clock: () => now }), await provider()]
  await outsider.introduce(node)
  await outsider.approve(node)
  const [tooLate] = bundles()
  await outsider.tell(node, updateEvent(tooLate))
  expect(dropped()).toHaveLength(1)
  now += 20_000
  await outsider.tell(node, updateEvent(tooLate))
  expect(await node.store.listRids({ types: [NoteRID.name] })).toEqual([late])
})
