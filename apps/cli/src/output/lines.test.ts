import { describe, expect, test } from 'vitest'
import { readNetworkEvent } from '../network-event.ts'
import { eventJson, eventLine } from './event-line.ts'
import { LiveLines } from './live-lines.ts'

const plain = (_colour: string, text: string): string => text
const HASH = '0a'.repeat(32)

describe('eventLine', () => {
  test('says when, what, and from whom to whom', () => {
    const event = {
      kind: 'update',
      at: new Date(2026, 0, 1, 12, 3, 4).getTime(),
      rid: 'orn:data-catalog.dataset:data/a.csv',
    }
    const peer = `orn:koi-net.node:producer+${HASH}`
    expect(eventLine({ ...event, peer }, 'mcp-gateway', 100, plain).replace(/ +/gu, ' ')).toBe(
      '12:03:04 UPDATE data-catalog.dataset:data/a.csv producer → mcp-gateway',
    )
    expect(eventLine(event, 'producer', 100, plain)).toMatch(/ {2}producer$/u)
  })

  test('fits the terminal, and no RID can move its cursor', () => {
    const event = { kind: 'new', at: 0, rid: `orn:a.b:\u001b[2J${'x'.repeat(200)}` }
    const line = eventLine(event, 'producer', 90, plain)
    expect(line.length).toBeLessThanOrEqual(90)
    expect(line).not.toContain('\u001b')
  })
})

describe('readNetworkEvent', () => {
  test('takes milliseconds and ISO times, and skips what is no event', () => {
    expect(readNetworkEvent({ kind: 'new', at: 5, rid: 'a:b', more: 1 })).toEqual({ kind: 'new', at: 5, rid: 'a:b' })
    expect(readNetworkEvent({ kind: 'edge', at: '1970-01-01T00:00:01Z', peer: 'p' })).toEqual({
      kind: 'edge',
      at: 1000,
      peer: 'p',
    })
    for (const other of [null, 1, 'x', {}, { kind: 'new' }, { kind: 'new', at: 'never' }, { kind: 1, at: 1 }]) {
      expect(readNetworkEvent(other)).toBeUndefined()
    }
  })

  test('is printed for scripts with the node it happened in', () => {
    expect(eventJson({ kind: 'new', at: 0, rid: 'a:b' }, { role: 'producer', node_rid: 'n' })).toBe(
      '{"event":"new","time":"1970-01-01T00:00:00.000Z","role":"producer","node":"n","rid":"a:b"}',
    )
  })
})

describe('LiveLines', () => {
  test('shows the first lines of a second and counts the rest', () => {
    let now = 0
    const shown: string[] = []
    const lines = new LiveLines((line) => shown.push(line), { perSecond: 2, now: () => now })
    for (const line of ['a', 'b', 'c', 'd']) lines.add(line)
    expect(shown).toEqual(['a', 'b'])
    now = 1000
    lines.add('e')
    expect(shown).toEqual(['a', 'b', '          … and 2 more', 'e'])
    lines.flush()
    expect(shown).toHaveLength(4)
  })
})
