import { describe, expect, test } from 'vitest'
import { readNetworkEvent } from '../network-event.ts'
import type { NetworkEvent } from '../network-event.ts'
import { eventJson, eventLine } from './event-line.ts'
import { LiveLines } from './live-lines.ts'

const plain = (_colour: string, text: string): string => text
const HASH = '0a'.repeat(32)

const PRODUCER = `orn:koi-net.node:producer+${HASH}`
const GATEWAY = `orn:koi-net.node:mcp-gateway+${HASH}`
const at = new Date(2026, 0, 1, 12, 3, 4).getTime()
const dataset = { kind: 'update', at, rid: 'orn:data-catalog.dataset:data/a.csv' }

describe('eventLine', () => {
  const line = (event: NetworkEvent, node = 'mcp-gateway') => eventLine(event, node, 100, plain).replace(/ +/gu, ' ')

  test('says when, what, and from whom to whom', () => {
    expect(line({ ...dataset, peer: PRODUCER })).toBe(
      '12:03:04 UPDATE data-catalog.dataset:data/a.csv producer → mcp-gateway',
    )
    expect(line(dataset, 'producer')).toBe('12:03:04 UPDATE data-catalog.dataset:data/a.csv producer')
    expect(line({ kind: 'new', at, rid: PRODUCER })).toBe('12:03:04 NEW node producer mcp-gateway')
    const edge = { provider: PRODUCER, subscriber: GATEWAY, status: 'APPROVED' }
    expect(line({ kind: 'edge', at, rid: `orn:koi-net.edge:${HASH}`, edge, peer: PRODUCER })).toBe(
      '12:03:04 EDGE producer → mcp-gateway, approved producer → mcp-gateway',
    )
  })

  test('fits the terminal, and no RID can move its cursor', () => {
    const long = eventLine({ ...dataset, rid: `orn:a.b:\u001b[2J${'x'.repeat(200)}` }, 'producer', 90, plain)
    expect(long.length).toBeLessThanOrEqual(90)
    expect(long).not.toContain('\u001b')
  })
})

describe('network events', () => {
  test('are read with what this version knows of them', () => {
    expect(readNetworkEvent({ ...dataset, rid_type: 'x', peer: PRODUCER, more: 1 })).toEqual({
      ...dataset,
      rid_type: 'x',
      peer: PRODUCER,
    })
    expect(readNetworkEvent({ ...dataset, edge: { provider: 1 } })).toEqual(dataset)
    for (const other of [
      null,
      1,
      'x',
      {},
      { ...dataset, at: 'never' },
      { ...dataset, at: 1e300 },
      { ...dataset, kind: 1 },
      { ...dataset, rid: 1 },
    ]) {
      expect(readNetworkEvent(other)).toBeUndefined()
    }
  })

  test('are printed for scripts with the node they happened in', () => {
    expect(JSON.parse(eventJson(dataset, { role: 'producer', node_rid: PRODUCER }))).toEqual({
      event: 'update',
      time: new Date(at).toISOString(),
      rid: dataset.rid,
      role: 'producer',
      node: PRODUCER,
    })
  })
})

describe('LiveLines', () => {
  test('shows a burst, then some of each second, and counts the rest', () => {
    let now = 0
    const shown: string[] = []
    const lines = new LiveLines((line) => shown.push(line), { perSecond: 2, burst: 3, now: () => now })
    for (const line of ['a', 'b', 'c', 'd', 'e']) lines.add(line)
    expect(shown).toEqual(['a', 'b', 'c'])
    now = 1000
    lines.flush()
    for (const line of ['f', 'g', 'h']) lines.add(line)
    expect(shown).toEqual(['a', 'b', 'c', '          … and 2 more', 'f', 'g'])
    lines.flush()
    now = 60_000
    for (const line of ['i', 'j', 'k', 'l']) lines.add(line)
    expect(shown.slice(6)).toEqual(['          … and 1 more', 'i', 'j', 'k'])
    lines.flush()
  })
})
