/** A network of theirs and ours around one first contact, and the pairs in it that the scenarios are played with. */
import { ConsumerNode, CoordinatorNode, ProducerNode } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { findReference } from '../reference-process.ts'
import { NoteRID, OurSide } from './our-side.ts'
import { ReferencePeer } from './reference-peer.ts'
import type { PeerKind } from './reference-peer.ts'
import type { Side, Target } from './side.ts'

export { NoteRID } from './our-side.ts'

export const reference = findReference()

/** Whose coordinator the others introduce themselves to. */
export const DIRECTIONS = ['ours is the first contact', 'theirs is the first contact'] as const
export type Direction = (typeof DIRECTIONS)[number]

export interface Network {
  readonly coordinator: Side
  readonly ourProducer: Side
  readonly ourConsumer: Side
  readonly ourPartial: Side
  readonly theirFull: Side
  readonly theirPartial: Side
}
const SIDES = ['coordinator', 'ourProducer', 'ourConsumer', 'ourPartial', 'theirFull', 'theirPartial'] as const

/** Who provides and who subscribes. */
export interface Pair {
  readonly direction: Direction
  readonly provider: Side
  readonly subscriber: Side
  readonly coordinator: Side
  /** Whichever of the two is not of the coordinator's maker: the one that comes to a stranger. */
  readonly newcomer: Side
  /** Waits until the whole network is quiet. */
  readonly settle: () => Promise<void>
  /** A note of its own for each scenario. */
  readonly note: (about: string) => Rid
}

export function theirs(kind: PeerKind, name: string, contact?: Target): Promise<ReferencePeer> {
  if (!('python' in reference)) throw new Error(reference.missing)
  return ReferencePeer.start(reference.python, kind, name, contact)
}

export async function joinedNetwork(direction: Direction): Promise<Network> {
  const coordinator =
    direction === 'ours is the first contact'
      ? await OurSide.start((options) => new CoordinatorNode(options), { name: 'coordinator' })
      : await theirs('coordinator', 'coordinator')
  const contact = coordinator
  const ours = await Promise.all([
    OurSide.start((options) => new ProducerNode(options), { name: 'our-producer', contact }),
    OurSide.start((options) => new ConsumerNode(options), { name: 'our-consumer', contact }),
    OurSide.start((options) => new ConsumerNode(options), { name: 'our-partial', partial: true, contact }),
  ])
  // Theirs come last, to nodes that will be told of them: a reference node that is not known where it asks for a subscription does not ask again.
  for (const { rid } of ours) {
    await until(`${rid} subscribed`, async () => (await coordinator.edge(coordinator.rid, rid))?.status === 'APPROVED')
  }
  const [theirFull, theirPartial] = await Promise.all([
    theirs('full', 'their-full', contact),
    theirs('partial', 'their-partial', contact),
  ])
  const [ourProducer, ourConsumer, ourPartial] = ours
  const network = { coordinator, ourProducer, ourConsumer, ourPartial, theirFull, theirPartial }
  await settled(network)
  return network
}

/** Last come, first gone: a peer that outlives its coordinator only fills logs. */
export async function leaveNetwork(network: Network): Promise<void> {
  await Promise.all(SIDES.slice(1).map((name) => network[name].stop()))
  await network.coordinator.stop()
}

export async function checkAll(network: Network): Promise<void> {
  for (const name of SIDES) await network[name].check()
}

export function pairOf(direction: Direction, network: Network, provider: Side, subscriber: Side): Pair {
  const { coordinator } = network
  const newcomer = provider.maker === coordinator.maker ? subscriber : provider
  const note = (about: string) =>
    NoteRID.of(`${about}, ${provider.maker} to ${subscriber.maker} ${subscriber.isPartial ? 'partial' : 'full'}`)
  return { direction, provider, subscriber, coordinator, newcomer, settle: () => settled(network), note }
}

/**
 * Waits until nothing is on its way in the network any more: twice in a row a look at every node finds nothing that waits, and nothing done in between.
 * What crosses something else on its way may be lost by a reference node; a scenario whose steps wait for each other meets no such chance.
 */
async function settled(network: Network): Promise<void> {
  const sides = SIDES.map((name) => network[name])
  const among = sides.map(({ rid }) => rid)
  let before = ''
  await until('a quiet network', async () => {
    const looks = await Promise.all(sides.map((side) => side.activity(among)))
    const last = before
    before = JSON.stringify(looks)
    return before === last && looks.every(({ waiting }) => waiting === 0)
  })
}

/** Waits for a condition, looking again every few milliseconds. @throws after a minute, with what it waited for */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 60_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
}
