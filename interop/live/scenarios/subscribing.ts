/** Edges: proposed, approved, refused, proposed again. */
import { expect } from 'vitest'
import { NoteRID, until } from '../network.ts'
import type { Pair } from '../network.ts'
import { approvedAtBoth } from './joining.ts'
import { hears } from './telling.ts'

const typeOf = ({ subscriber }: Pair) => (subscriber.isPartial ? 'POLL' : 'WEBHOOK')

/** The subscriber found the provider by itself, and the two hold the same edge. */
export async function approved(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  await approvedAtBoth(provider, subscriber)
  const edge = await provider.edge(provider.rid, subscriber.rid)
  expect(edge).toMatchObject({ status: 'APPROVED', edge_type: typeOf(pair) })
  expect(edge?.rid_types).toContain(NoteRID.name)
  expect(await subscriber.edge(provider.rid, subscriber.rid)).toEqual(edge)
}

/** What is not provided is answered with a FORGET of the edge, and the provider goes on with the edge that stood until it is asked for less. */
export async function refused(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  await approvedAtBoth(provider, subscriber)
  await subscriber.propose(provider.rid, [NoteRID.name, 'orn:interop.nobody-provides'], typeOf(pair))
  await subscriber.idle()
  await until('the refusal', async () => (await subscriber.edge(provider.rid, subscriber.rid)) === undefined)
  const standing = await provider.edge(provider.rid, subscriber.rid)
  expect(standing).toMatchObject({ status: 'APPROVED' })
  expect(standing?.rid_types).not.toContain('orn:interop.nobody-provides')
  await subscriber.propose(provider.rid, [NoteRID.name], typeOf(pair))
  await approvedAtBoth(provider, subscriber, [NoteRID.name])
}

/**
 * Under the same RID, with other types: approved anew, and served. Ours asks for more as soon as the provider provides it, and is approved for nothing
 * else; theirs is told to.
 */
export async function proposedAgain(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  for (const types of [[NoteRID.name, 'orn:koi-net.node'], [NoteRID.name]]) {
    if (subscriber.maker === 'ours') await provider.changeProfile()
    else await subscriber.propose(provider.rid, types, typeOf(pair))
    await approvedAtBoth(provider, subscriber, types)
  }
  await hears(provider, subscriber, pair.note('proposed again'))
}
