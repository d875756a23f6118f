import { describe, expect, it } from 'vitest'
import { contentsOf, formatTimestamp, generateBundle, microsOf } from '@koi-mcp/protocol'
import type { Manifest } from '@koi-mcp/protocol'
import { DATASET, profileBundle, testIdentity } from '../../test/peers.ts'
import { TimeToLive } from './time-to-live.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const START = Date.UTC(2026, 0, 1)

/** The clock of a machine, and how long its process has run. */
class Machine {
  ran = 0
  ahead = 0
  readonly ttl: TimeToLive
  constructor(ttlMs: number) {
    this.ttl = new TimeToLive(
      ttlMs,
      () => START + this.ran + this.ahead,
      () => START + this.ran,
    )
  }
}

const manifestOf = (ms: number): Manifest =>
  generateBundle(DATASET.of('a'), contentsOf({}), formatTimestamp(microsOf(new Date(ms)))).manifest

describe('a time to live', () => {
  it('is over for what is dated longer ago, and never for nodes', () => {
    const { ttl } = new Machine(DAY)
    expect(ttl.hasExpired(manifestOf(START - DAY - 1))).toBe(true)
    expect(ttl.hasExpired(manifestOf(START - DAY))).toBe(false)
    expect(ttl.hasExpired(manifestOf(START + DAY))).toBe(false)
    expect(ttl.hasExpired(profileBundle(testIdentity('old')).manifest)).toBe(false)
  })

  it('lets nothing go in the first tenth of it, at most an hour', () => {
    const machine = new Machine(HOUR)
    expect(machine.ttl.doubtMs()).toBe(6 * MINUTE)
    machine.ran = 5 * MINUTE
    expect(machine.ttl.doubtMs()).toBe(MINUTE)
    machine.ran = 6 * MINUTE
    expect(machine.ttl.doubtMs()).toBe(0)
    expect(new Machine(365 * DAY).ttl.doubtMs()).toBe(HOUR)
  })

  it.each([365 * DAY, -DAY, 2 * MINUTE])(
    'lets nothing go after a clock was set by %i ms, until it has stood',
    (step) => {
      const machine = new Machine(DAY)
      machine.ran = 3 * HOUR
      expect(machine.ttl.doubtMs()).toBe(0)
      machine.ahead = step
      expect(machine.ttl.doubtMs()).toBe(HOUR)
      machine.ran += HOUR - 1
      expect(machine.ttl.doubtMs()).toBe(1)
      // Set right again: from here on anew.
      machine.ahead = 0
      expect(machine.ttl.doubtMs()).toBe(HOUR)
      machine.ran += HOUR
      expect(machine.ttl.doubtMs()).toBe(0)
    },
  )

  it('goes by a clock that is drawn slowly to the right time', () => {
    const machine = new Machine(DAY)
    machine.ran = HOUR
    machine.ahead = 30_000
    expect(machine.ttl.doubtMs()).toBe(0)
  })
})
