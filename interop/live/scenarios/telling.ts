/** Knowledge on its way: told by webhook, taken by polls, fetched. */
import { expect } from 'vitest'
import { NoteRID, until } from '../network.ts'
import type { Pair } from '../network.ts'
import type { Side } from '../side.ts'

const CONTENTS = {
  n: 0.5,
  whole: 3,
  text: 'ünïcode 日本語',
  '10': 'ten',
  '9': 'nine',
  nested: { list: [1, null, true] },
}

/** One note comes across. */
export async function hears(provider: Side, subscriber: Side, rid: ReturnType<typeof NoteRID.of>): Promise<void> {
  await provider.publish(rid, CONTENTS)
  await until(`${rid} at the subscriber`, async () => (await subscriber.contents(rid)) !== undefined)
  expect(await subscriber.contents(rid)).toEqual(CONTENTS)
}

/** NEW, UPDATE and FORGET. */
export async function told(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  const rid = pair.note('told')
  await hears(provider, subscriber, rid)
  await provider.publish(rid, { n: 2 })
  await until('UPDATE', async () => JSON.stringify(await subscriber.contents(rid)) === '{"n":2}')
  await provider.forget(rid)
  await until('FORGET', async () => (await subscriber.contents(rid)) === undefined)
}

/** A partial node takes what waits for it, at most as much as it asks for, in order; for a full one nothing waits. */
export async function polled(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  await subscriber.polling(false)
  // Behind a poll that is still on its way.
  for (let polls = 0; polls < 2; polls++) await subscriber.ask(provider, 'poll_events', { limit: 0 })
  const rids = [1, 2, 3, 4, 5].map((number) => pair.note(`polled ${number}`))
  for (const rid of rids) await provider.publish(rid, { about: rid })
  await provider.idle()
  const poll = async (limit: number): Promise<unknown[]> => {
    const { events } = await subscriber.ask(provider, 'poll_events', { limit })
    return (events as { event_type: string; rid: string }[]).map(({ event_type, rid }) => [event_type, rid])
  }
  const [one, two, three] = [await poll(2), await poll(2), await poll(0)]
  await subscriber.polling(true)
  const all = rids.map((rid) => ['NEW', rid])
  const expected = subscriber.isPartial ? [all.slice(0, 2), all.slice(2, 4), all.slice(4)] : [[], [], []]
  expect([one, two, three]).toEqual(expected)
}

/** By RID before type, all where nothing is named; what is not there is said. */
export async function fetched(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  const rids = ['a', 'b b', 'c/ç#%'].map((reference) => NoteRID.of(`fetched ${reference}`))
  const missing = NoteRID.of('missing')
  for (const [index, rid] of rids.entries()) await provider.publish(rid, { index, price: 1e-6 })
  await until('they are cached', async () => {
    const cached = await Promise.all(rids.map((rid) => provider.contents(rid)))
    return cached.every((contents) => contents !== undefined)
  })
  const ask = subscriber.ask.bind(subscriber, provider)

  const byType = (await ask('fetch_rids', { rid_types: [NoteRID.name] }))['rids'] as string[]
  expect(byType).toEqual(expect.arrayContaining(rids))
  expect(byType.every((rid) => rid.startsWith(`${NoteRID.name}:`))).toBe(true)
  const all = (await ask('fetch_rids', { rid_types: [] }))['rids'] as string[]
  expect(all).toEqual(expect.arrayContaining([...rids, provider.rid]))
  expect(await ask('fetch_rids', { rid_types: ['orn:interop.nothing'] })).toMatchObject({ rids: [] })

  const ofRids = await ask('fetch_manifests', { rid_types: ['orn:interop.nothing'], rids: [...rids, missing] })
  expect(ridsIn(ofRids['manifests'])).toEqual(rids)
  expect(ofRids['not_found']).toEqual([missing])
  const ofType = await ask('fetch_manifests', { rid_types: [NoteRID.name], rids: [] })
  expect([...ridsIn(ofType['manifests'])].sort()).toEqual([...byType].sort())
  const ofNothing = await ask('fetch_manifests', { rid_types: ['orn:interop.nothing'], rids: [] })
  expect(ofNothing).toMatchObject({ manifests: [], not_found: [] })
  const ofAll = await ask('fetch_manifests', { rid_types: [], rids: [] })
  expect([...ridsIn(ofAll['manifests'])].sort()).toEqual([...all].sort())

  const bundles = await ask('fetch_bundles', { rids: [...rids, missing] })
  expect(bundles).toMatchObject({
    bundles: rids.map((rid, index) => ({ manifest: { rid }, contents: { index, price: 1e-6 } })),
    not_found: [missing],
  })
  expect(await ask('fetch_bundles', { rids: [] })).toMatchObject({ bundles: [], not_found: [] })
}

function ridsIn(manifests: unknown): string[] {
  return (manifests as { rid: string }[]).map(({ rid }) => rid)
}
