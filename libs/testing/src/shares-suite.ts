import { describe, expect, it } from 'vitest'
import { LeaseLostError, SourceShares } from '@koi-mcp/core'
import type { Clock, NodeStore } from '@koi-mcp/core'
import { contentsOf } from '@koi-mcp/protocol'
import { dataset } from './node-store/store-under-test.ts'

export interface ReplicatedStore {
  /** The same state, as two replicas have it. */
  readonly stores: readonly [NodeStore, NodeStore]
  now: number
}

const LEASE_MS = 6_000
const KEYS = Array.from({ length: 60 }, (_, index) => `key ${index}`)

/** What holds of a source's work that replicas divide by the leases of their store. */
export function describeShares(test: ReplicatedStore): void {
  const clock: Clock = () => test.now
  const shares = (index: 0 | 1): SourceShares =>
    new SourceShares({ store: test.stores[index], source: 'test', parts: 6, leaseMs: LEASE_MS, clock })

  /** Time passes, and all of them renew what they hold. */
  const beats = async (replicas: readonly SourceShares[], rounds: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      test.now += LEASE_MS / 3
      await Promise.all(replicas.map((each) => each.beat()))
    }
  }
  const keysOf = (each: SourceShares): string[] => KEYS.filter((key) => each.of(key) !== undefined)

  describe('shares of a source', () => {
    it('are fair, and each is held by one, whoever comes and goes', async () => {
      const [one, two, three] = [shares(0), shares(1), shares(1)]
      await beats([one], 1)
      expect(keysOf(one)).toEqual(KEYS)
      await beats([one, two, three], 5)
      expect([one, two, three].map(({ held }) => held.length)).toEqual([2, 2, 2])
      expect([one, two, three].flatMap(keysOf).sort()).toEqual([...KEYS].sort())
      await one.stop()
      await beats([two, three], 3)
      expect([two, three].flatMap(keysOf).sort()).toEqual([...KEYS].sort())
      await Promise.all([two.stop(), three.stop()])
    })

    it('of a replica that sleeps go to the others, and what it writes when it wakes is refused', async () => {
      const [sleeper, other] = [shares(0), shares(1)]
      await beats([sleeper, other], 4)
      const wakes = Promise.withResolvers<void>()
      const [share] = sleeper.held
      const arrival = { rid: dataset('late'), eventType: 'NEW', contents: contentsOf({ a: 1 }) } as const
      const late = share?.write(async (under) => {
        await wakes.promise
        return await test.stores[0].accept([arrival], undefined, under)
      })
      await beats([other], 6)
      expect(keysOf(other)).toEqual(KEYS)
      expect(sleeper.held).toEqual([])
      wakes.resolve()
      await expect(late).rejects.toThrow(LeaseLostError)
      expect(share?.signal.aborted).toBe(true)
      await other.held[0]?.write((under) => test.stores[1].accept([arrival], undefined, under))
      await beats([sleeper, other], 4)
      expect([sleeper.held.length, other.held.length]).toEqual([3, 3])
      await Promise.all([sleeper.stop(), other.stop()])
    })
  })
}
