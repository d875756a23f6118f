/** Every scenario with every pair in both directions: how it is played, or why it cannot exist. */
import { DIRECTIONS } from './network.ts'
import type { Direction, Network, Pair } from './network.ts'
import { forgotten, handshake, handshakeAgain, profileChanged, restartedWithItsKey } from './scenarios/joining.ts'
import { errorsInTheirOrder } from './scenarios/refusing.ts'
import { approved, proposedAgain, refused } from './scenarios/subscribing.ts'
import { chain, restartedInTheMiddle } from './scenarios/surviving.ts'
import { fetched, polled, told } from './scenarios/telling.ts'

export interface PairKind {
  readonly title: string
  readonly provider: keyof Network
  readonly subscriber: keyof Network
}

/** Each maker as provider and as subscriber, full and partial. */
export const PAIRS: readonly PairKind[] = [
  { title: 'ours provides, theirs subscribes', provider: 'ourProducer', subscriber: 'theirFull' },
  { title: 'ours provides, theirs subscribes as a partial node', provider: 'ourProducer', subscriber: 'theirPartial' },
  { title: 'theirs provides, ours subscribes', provider: 'theirFull', subscriber: 'ourConsumer' },
  { title: 'theirs provides, ours subscribes as a partial node', provider: 'theirFull', subscriber: 'ourPartial' },
  { title: 'ours provides as a partial node, theirs subscribes', provider: 'ourPartial', subscriber: 'theirFull' },
  { title: 'theirs provides as a partial node, ours subscribes', provider: 'theirPartial', subscriber: 'ourConsumer' },
]

type Play = (pair: Pair, network: Network) => Promise<void>
export type Cell = { readonly play: Play } | { readonly cannot: string }

const PARTIAL_PROVIDER =
  'a partial node serves nothing, so nobody subscribes to it but a coordinator, to its nodes and edges: the handshake of the partial subscribers shows that'
const ONE_CHAIN = 'the three nodes of a chain are the same for every pair: it is played once in each direction'

/** In the order they are played: each leaves the pair as it found it, subscribed. Requirements are cited as everywhere. */
export const SCENARIOS: Readonly<Record<string, Play>> = {
  '[HS-1] [HS-2] handshake': handshake,
  '[NEG-1] [NEG-2] edge proposed and approved': approved,
  '[API-1] [OUT-1] webhook or poll': told,
  '[API-3] poll with limits': polled,
  '[API-4] fetches found, not found, by type and empty': fetched,
  '[ENV-5] the four errors in their order': errorsInTheirOrder,
  // Before anyone comes again: a reference node loses its subscription to the coordinator by that, and hears of nobody. And before
  // anyone subscribes anew: one that catches up ends when what it was listed is forgotten before it asks for the manifest.
  'chain of three nodes': (pair, network) =>
    pair.direction === DIRECTIONS[0]
      ? chain(network.theirFull, network.coordinator, network.theirPartial)
      : chain(network.ourProducer, network.theirFull, network.ourConsumer),
  'edge refused': refused,
  'edge proposed again with other types': proposedAgain,
  're-handshake': handshakeAgain,
  'changed profile': profileChanged,
  'restart with the same key': restartedWithItsKey,
  '[NEG-3] node forgotten and its edges gone': forgotten,
  'peer stopped in the middle': restartedInTheMiddle('stopped'),
  'peer killed in the middle': restartedInTheMiddle('killed'),
}

/** What the matrix says of one cell; undefined would be a hole. */
export function cellOf(scenario: string, direction: Direction, pair: PairKind): Cell | undefined {
  const play = SCENARIOS[scenario]
  if (play === undefined) return undefined
  if (pair.provider === 'ourPartial' || pair.provider === 'theirPartial') return { cannot: PARTIAL_PROVIDER }
  if (scenario === 'chain of three nodes' && pair !== PAIRS[0]) return { cannot: ONE_CHAIN }
  if (scenario === 'changed profile' && direction === DIRECTIONS[1] && pair.subscriber === 'ourPartial') {
    return { cannot: 'a partial consumer of ours says nothing of itself but its key' }
  }
  return { play }
}
