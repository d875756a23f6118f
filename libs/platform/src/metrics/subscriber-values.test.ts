import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import { MAX_SUBSCRIBERS, subscriberValues } from './subscriber-values.ts'

const NOW = 1_000_000
const node = (index: number) => asRid(`orn:koi-net.node:n${index}+${String(index).padStart(8, '0')}${'0'.repeat(56)}`)
const waiting = (index: number, oldestAt: number) => ({ target: node(index), queued: index, oldestAt, failures: 0 })

describe('subscriberValues', () => {
  it('has those that wait, the longest first, and then those that do not', () => {
    expect(subscriberValues([node(1), node(3)], [waiting(1, NOW - 500), waiting(2, NOW - 9_000)], NOW)).toEqual([
      { peer: 'n2+00000002', queued: 2, lag: 9 },
      { peer: 'n1+00000001', queued: 1, lag: 0.5 },
      { peer: 'n3+00000003', queued: 0, lag: 0 },
    ])
  })

  it('has so many at most, and the rest as one', () => {
    const all = Array.from({ length: MAX_SUBSCRIBERS + 3 }, (_, index) => waiting(index, NOW - index * 1_000))
    const values = subscriberValues([], all, NOW)
    expect(values).toHaveLength(MAX_SUBSCRIBERS + 1)
    expect(values[0]).toEqual({ peer: 'n52+00000052', queued: 52, lag: 52 })
    expect(values.at(-1)).toEqual({ peer: 'other', queued: 2 + 1 + 0, lag: 2 })
  })

  it('knows no time before now', () => {
    expect(subscriberValues([], [waiting(1, NOW + 5_000)], NOW)).toEqual([{ peer: 'n1+00000001', queued: 1, lag: 0 }])
  })
})
