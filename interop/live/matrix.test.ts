/** What is played with real koi-net nodes, and that nothing is missing: every scenario, in both directions, in every role. */
import { describe, expect, it } from 'vitest'
import { cellOf, PAIRS, SCENARIOS } from './matrix.ts'
import { DIRECTIONS } from './network.ts'

/** What has to be shown with real nodes. */
const ASKED = [
  'handshake',
  're-handshake',
  'changed profile',
  'restart with the same key',
  'edge proposed and approved',
  'edge refused',
  'edge proposed again with other types',
  'webhook or poll',
  'poll with limits',
  'the four errors in their order',
  'fetches found, not found, by type and empty',
  'node forgotten and its edges gone',
  'chain of three nodes',
  'peer stopped in the middle',
  'peer killed in the middle',
]

const cells = Object.keys(SCENARIOS).flatMap((scenario) =>
  DIRECTIONS.flatMap((direction) =>
    PAIRS.map((pair) => ({ scenario, direction, pair, cell: cellOf(scenario, direction, pair) })),
  ),
)

describe('the matrix of scenarios, directions and roles', () => {
  it('has every scenario that is asked for', () => {
    const names = Object.keys(SCENARIOS).map((title) => title.replaceAll(/\[[A-Z]+-\d+\] /g, ''))
    expect([...names].sort()).toEqual([...ASKED].sort())
  })

  it('has no cell without a test or a reason', () => {
    const holes = cells.filter(({ cell }) => cell === undefined || ('cannot' in cell && cell.cannot.length < 20))
    expect(holes.map(({ scenario, direction, pair }) => `${scenario}: ${direction}, ${pair.title}`)).toEqual([])
    expect(cells).toHaveLength(ASKED.length * DIRECTIONS.length * PAIRS.length)
  })

  it('plays each in both directions, and with each maker, full and partial, in every role that it can have', () => {
    const played = cells.filter(({ cell }) => cell !== undefined && 'play' in cell)
    const counts = Object.keys(SCENARIOS).map((scenario) => [
      scenario.replaceAll(/\[[A-Z]+-\d+\] /g, ''),
      ...DIRECTIONS.map(
        (direction) => played.filter((one) => one.scenario === scenario && one.direction === direction).length,
      ),
    ])
    const expected = ASKED.map((name) => {
      if (name === 'chain of three nodes') return [name, 1, 1]
      return name === 'changed profile' ? [name, 4, 3] : [name, 4, 4]
    })
    expect(counts.sort()).toEqual(expected.sort())
  })
})
