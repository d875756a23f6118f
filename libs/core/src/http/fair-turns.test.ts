import { describe, expect, it } from 'vitest'
import { until } from '../../test/peers.ts'
import { FairTurns } from './fair-turns.ts'

describe('fair turns', () => {
  it('go round: who asks for much waits behind itself alone', async () => {
    const turns = new FairTurns({ atOnce: 1_000, waiting: 1_000 })
    const begun: string[] = []
    const ask = (name: string, count: number) => {
      for (let i = 1; i <= count; i++) turns.take(name, (done) => void (begun.push(`${name}${i}`), done()))
    }
    ask('a', 4)
    ask('b', 1)
    ask('c', 2)
    await until(() => begun.length === 7)
    expect(begun).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4'])
  })

  it('are bounded in progress and in waiting, for each source by itself', async () => {
    const turns = new FairTurns({ atOnce: 2, waiting: 3 })
    const running: (() => void)[] = []
    let others = 0
    const ask = () => turns.take('a', (done) => void running.push(done))
    expect([ask(), ask()]).toEqual([true, true])
    await until(() => running.length === 2)
    expect([ask(), ask(), ask(), ask()]).toEqual([true, true, true, false])
    expect(turns.take('b', () => (others += 1))).toBe(true)
    await until(() => others === 1)
    expect(running).toHaveLength(2)
    // Ended twice, it counts once.
    running[0]?.()
    running[0]?.()
    await until(() => running.length === 3)
    expect(ask()).toBe(true)
    await new Promise(setImmediate)
    expect(running).toHaveLength(3)
    for (let ended = 1; ended < 6; ended++) {
      await until(() => running.length > ended)
      running[ended]?.()
    }
    expect(running).toHaveLength(6)
  })

  it('let the event loop go on between pieces of work that take long', async () => {
    const turns = new FairTurns({ atOnce: 10, waiting: 10 })
    let loops = 0
    const seen: number[] = []
    const count = () => {
      loops += 1
      if (seen.length < 3) setImmediate(count)
    }
    for (let i = 0; i < 3; i++) {
      turns.take('a', (done) => {
        seen.push(loops)
        const end = performance.now() + 6
        while (performance.now() < end);
        done()
      })
    }
    setImmediate(count)
    await until(() => seen.length === 3)
    const between = [seen[1]! - seen[0]!, seen[2]! - seen[1]!]
    expect(between.map((turns) => turns >= 30)).toEqual([true, true])
  })
})
