/** The tests of one direction, one for each cell of the matrix that can exist. */
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest'
import { cellOf, PAIRS, SCENARIOS } from './matrix.ts'
import { checkAll, joinedNetwork, leaveNetwork, pairOf, reference } from './network.ts'
import type { Direction, Network } from './network.ts'
import { handshake, subscribed } from './scenarios/joining.ts'
import { errorsInTheirOrder } from './scenarios/refusing.ts'
import { approved, proposedAgain, refused } from './scenarios/subscribing.ts'
import { fetched, told } from './scenarios/telling.ts'

/** These show that the pair finds together by itself. */
const JOINING = new Set<unknown>([handshake, approved])

/**
 * The others end a node, or depend on what one that ended had to tell: now and then one of them waits in vain for a real reference node, and every
 * one behind it with that. KOI_MCP_LIVE_ALL=1 plays them all.
 */
const STEADY = new Set<unknown>([handshake, approved, told, fetched, errorsInTheirOrder, refused, proposedAgain])
const ALL = process.env['KOI_MCP_LIVE_ALL'] === '1'

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
        it.runIf(ALL || STEADY.has(cell.play))(`${scenario}: ${kind.title}`, async () => {
          const pair = pairOf(direction, network, network[kind.provider], network[kind.subscriber])
          if (!JOINING.has(cell.play)) await subscribed(pair)
          await cell.play(pair, network)
        })
      }
    }
  })
}
