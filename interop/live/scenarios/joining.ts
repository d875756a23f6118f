/** How a node comes, comes again, changes and goes. */
import { expect } from 'vitest'
import { NoteRID, until } from '../network.ts'
import type { Network, Pair } from '../network.ts'
import type { Side } from '../side.ts'
import { hears } from './telling.ts'

const NETWORK_TYPES = ['orn:koi-net.edge', 'orn:koi-net.node']

const knows = (side: Side, other: Side) => async () => (await side.contents(other.rid)) !== undefined

/** Both have the other's whole profile, and the coordinator is subscribed to the newcomer. */
export async function handshake({ newcomer, coordinator }: Pair): Promise<void> {
  await until('the newcomer at the coordinator', knows(coordinator, newcomer))
  await until('the coordinator at the newcomer', knows(newcomer, coordinator))
  expect(await coordinator.contents(newcomer.rid)).toEqual(await newcomer.contents(newcomer.rid))
  expect(await newcomer.contents(coordinator.rid)).toEqual(await coordinator.contents(coordinator.rid))
  await approvedAtBoth(newcomer, coordinator)
  const edge = await coordinator.edge(newcomer.rid, coordinator.rid)
  expect(edge?.rid_types).toEqual(expect.arrayContaining(NETWORK_TYPES))
}

/**
 * The coordinator begins anew with whoever introduces itself again: the old edge goes, another comes. It tells the others so, who forget the node
 * and their edges with it; ours ask for theirs again.
 */
export async function handshakeAgain(pair: Pair, network: Network): Promise<void> {
  const { newcomer, coordinator, provider, subscriber } = pair
  // Of theirs, one that came again itself has lost its subscription to the coordinator with that, and hears of nobody.
  const others = Object.values<Side>({ ...network }).filter(
    (side) => side.maker === 'ours' && side !== newcomer && side !== coordinator,
  )
  const before = await coordinator.edge(newcomer.rid, coordinator.rid)
  const edges = await Promise.all(others.map((side) => edgesWith(side, newcomer)))
  await newcomer.handshake(coordinator)
  await pair.settle()
  await approvedAtBoth(newcomer, coordinator)
  expect((await coordinator.edge(newcomer.rid, coordinator.rid))?.timestamp).not.toBe(before?.timestamp)
  expect(await coordinator.contents(newcomer.rid)).toEqual(await newcomer.contents(newcomer.rid))
  for (const [index, side] of others.entries()) {
    if (edges[index] !== '') expect(await edgesWith(side, newcomer)).not.toBe(edges[index])
  }
  await subscribed(pair)
  await hears(provider, subscriber, pair.note('after another handshake'))
}

async function edgesWith(side: Side, node: Side): Promise<string> {
  const edges = [await side.edge(side.rid, node.rid), await side.edge(node.rid, side.rid)]
  return edges.map((edge) => edge?.timestamp ?? '').join('')
}

/**
 * The two know each other, and the edge stands. Where it was forgotten it is asked for again: ours does so by itself when it is told, and a reference
 * node at its next start, so it is told to. And so is ours, once a reference node forgot the edge behind the node, for it tells a node nothing that
 * it does not know at that moment.
 */
export async function subscribed({ provider, subscriber, settle }: Pair): Promise<void> {
  await settle()
  await until('the subscriber at the provider', knows(provider, subscriber))
  await until('the provider at the subscriber', knows(subscriber, provider))
  const edges = await Promise.all([provider, subscriber].map((side) => side.edge(provider.rid, subscriber.rid)))
  if (edges.every((edge) => edge?.status === 'APPROVED')) return
  await subscriber.propose(provider.rid, [NoteRID.name], subscriber.isPartial ? 'POLL' : 'WEBHOOK')
  await approvedAtBoth(provider, subscriber)
  await settle()
}

/** Whoever is subscribed to nodes hears of a changed profile, and what was agreed stands. */
export async function profileChanged(pair: Pair): Promise<void> {
  const { newcomer, coordinator, provider, subscriber } = pair
  const told = [coordinator, newcomer === provider ? subscriber : provider]
  for (const times of ['once', 'and back']) {
    const before = JSON.stringify(await newcomer.contents(newcomer.rid))
    await newcomer.changeProfile()
    await until(`a profile changed ${times}`, async () => {
      const [here, ...there] = await Promise.all([newcomer, ...told].map((side) => side.contents(newcomer.rid)))
      return JSON.stringify(here) !== before && there.every((one) => JSON.stringify(one) === JSON.stringify(here))
    })
  }
  await hears(provider, subscriber, pair.note('after the profile changed'))
}

/** With the key that it had it is the same node, and nobody has to be asked anything again. */
export async function restartedWithItsKey(pair: Pair): Promise<void> {
  const { newcomer, provider, subscriber } = pair
  const rid = newcomer.rid
  const edge = await provider.edge(provider.rid, subscriber.rid)
  await newcomer.restart('stopped')
  expect(newcomer.rid).toBe(rid)
  await hears(provider, subscriber, pair.note('after a restart'))
  expect((await provider.edge(provider.rid, subscriber.rid))?.rid_types).toEqual(edge?.rid_types)
}

/** Who says that it goes is forgotten with its edges; who comes back and asks is served again. */
export async function forgotten(pair: Pair): Promise<void> {
  const { provider, subscriber } = pair
  await subscriber.leave(provider)
  await until('the node is gone', async () => !(await knows(provider, subscriber)()))
  await until('its edge is gone', async () => (await provider.edge(provider.rid, subscriber.rid)) === undefined)
  await subscriber.handshake(provider)
  await subscribed(pair)
  await hears(provider, subscriber, pair.note('after it came back'))
}

export async function approvedAtBoth(provider: Side, subscriber: Side, types?: readonly string[]): Promise<void> {
  for (const side of [provider, subscriber]) {
    await until(`the edge from ${provider.rid} to ${subscriber.rid} at ${side.rid}`, async () => {
      const edge = await side.edge(provider.rid, subscriber.rid)
      return edge?.status === 'APPROVED' && (types === undefined || sorted(edge.rid_types) === sorted(types))
    })
  }
}

const sorted = (types: readonly string[]): string => [...types].sort().join(' ')
