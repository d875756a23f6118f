/** What holds when a node ends in the middle, and when there is another node in the middle. */
import { expect } from 'vitest'
import { NoteRID, until } from '../network.ts'
import type { Pair } from '../network.ts'
import type { Ending, Side } from '../side.ts'
import { hears } from './telling.ts'

const NOTES = 12

/** A peer of theirs ends while notes are published, and comes back; in the end the subscriber has what the provider has. */
export function restartedInTheMiddle(ending: Ending) {
  return async (pair: Pair): Promise<void> => {
    const { provider, subscriber } = pair
    const peer = provider.maker === 'theirs' ? provider : subscriber
    const rids = Array.from({ length: NOTES }, (_, index) =>
      NoteRID.of(`${ending} ${subscriber.rid.slice(-6)} ${index}`),
    )
    for (const [index, rid] of rids.entries()) {
      if (index === NOTES / 2) await peer.restart(ending)
      await provider.publish(rid, { index })
    }
    await provider.idle()
    // What a reference node had cached and not told when it ended it tells nobody any more; it is found by catching up.
    if (peer === provider) await subscriber.restart('stopped')
    await until(
      'the subscriber has what the provider has',
      async () => (await held(subscriber, rids)) === (await held(provider, rids)),
    )
    if (peer === subscriber) expect(JSON.parse(await held(provider, rids))).toHaveLength(NOTES)
    await hears(provider, subscriber, pair.note(`after it was ${ending}`))
  }
}

async function held(side: Side, rids: readonly ReturnType<typeof NoteRID.of>[]): Promise<string> {
  const contents = await Promise.all(rids.map((rid) => side.contents(rid)))
  return JSON.stringify(contents.filter((found) => found !== undefined))
}

/** First to last, each of one maker, with a node of the other in between: profiles and notes arrive as they left. */
export async function chain(first: Side, middle: Side, last: Side): Promise<void> {
  const profileOf = async (side: Side) => JSON.stringify(await side.contents(first.rid))
  await until('its profile at the far end', async () => (await profileOf(last)) === (await profileOf(first)))
  const rid = NoteRID.of(`through ${middle.rid}`)
  await hears(first, middle, rid)
  const { bundles } = await last.ask(middle, 'fetch_bundles', { rids: [rid] })
  expect((bundles as { contents: unknown }[]).map(({ contents }) => contents)).toEqual([await first.contents(rid)])
  await first.forget(rid)
  await until('forgotten in the middle', async () => (await middle.contents(rid)) === undefined)
  expect(await last.ask(middle, 'fetch_bundles', { rids: [rid] })).toMatchObject({ bundles: [], not_found: [rid] })
}
