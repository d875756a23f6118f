import { describe, expect, it } from 'vitest'
import { recordingLogger, testIdentity } from '../../test/peers.ts'
import type { OutboxTargetState } from '../store/node-store.ts'
import { Backlogs } from './backlogs.ts'

const NOW = Date.UTC(2026, 0, 1)
const peer = testIdentity('peer', 'http://peer.example/koi-net')

/** A store that says how many events wait; what is said about them in the log. */
function setup() {
  let states: readonly OutboxTargetState[] = []
  const log = recordingLogger()
  const backlogs = new Backlogs({
    store: {
      outboxState: () => Promise.resolve(states),
      dropDeliveries: () => Promise.resolve(0),
      lapseDeliveries: () => Promise.resolve(undefined),
    },
    graph: { profile: () => peer.profile },
    addressOf: () => undefined,
    log,
    clock: () => NOW,
  })
  const look = async (...queued: number[]): Promise<readonly unknown[]> => {
    states = queued.map((count) => ({ target: peer.rid, queued: count, oldestAt: NOW, failures: 0 }))
    log.lines.length = 0
    await backlogs.sweep()
    return log.lines.map(({ level, message, fields }) => [level, message.split(',')[0], fields?.['count']])
  }
  return { look }
}

const said = (count: number) => [['warn', 'many events wait for a subscriber', count]]

describe('a backlog that grows', () => {
  it('is said when it is large, and again only when it has doubled', async () => {
    const { look } = setup()
    expect(await look(9_999)).toEqual([])
    expect(await look(12_000)).toEqual(said(12_000))
    for (const count of [12_000, 23_999, 9_000, 15_000, 23_999]) expect(await look(count)).toEqual([])
    expect(await look(24_000)).toEqual(said(24_000))
    expect(await look(30_000)).toEqual([])
  })

  it('is said anew when it was worked off meanwhile', async () => {
    const { look } = setup()
    expect(await look(10_000)).toEqual(said(10_000))
    expect(await look(4_999)).toEqual([])
    expect(await look(10_000)).toEqual(said(10_000))
    expect(await look()).toEqual([])
    expect(await look(10_000)).toEqual(said(10_000))
  })
})
