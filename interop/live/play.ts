/** The tests of one direction, one for each cell of the matrix that can exist. */
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest'
import { cellOf, PAIRS, SCENARIOS } from './matrix.ts'
import { checkAll, joinedNetwork, leaveNetwork, pairOf, reference } from './network.ts'
import type { Direction, Network } from './network.ts'
import { handshake, subscribed } from './scenarios/joining.ts'
import { approved } from './scenarios/subscribing.ts'

/** These show that the pair finds together by itself. */
const JOINING = new Set<unknown>([handshake, approved])

export function playAll(direction: Direction): void {
  describe.skipIf(!('python' in reference))(direction, () => {
    let network: Network
    beforeAll(async () => {
      network = await joinedNetwork(direction)
    })
    afterEach(() => checkAll(network))
    afterAll(() => leaveNetwork(network))

    for (const scenario of Object.keys(SCENARIOS)) {
      for (const kind of PAIRS) {
        const cell = cellOf(scenario, direction, kind)
        if (cell === undefined || 'cannot' in cell) continue
        it(`${scenario}: ${kind.title}`, async () => {
          const pair = pairOf(direction, network, network[kind.provider], network[kind.subscriber])
          await (JOINING.has(cell.play) ? pair.settle() : subscribed(pair))
          await cell.play(pair, network)
        })
      }
    }
  })
}
