import { describe, expect, it } from 'vitest'
import { Expiry, silentLogger, TimeToLive } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import { bundleOf, dataset, OTHER_PEER, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

const DAY_MS = 24 * 3_600_000
const { signal } = new AbortController()

/** What a time to live needs of a store: `persistence.ttl` is the same on all of them. */
export function describeExpiry(test: StoreUnderTest): void {
  describe('what is older than the time to live', () => {
    const expiry = () => {
      const ttl = new TimeToLive(DAY_MS, test.clock, test.clock)
      return new Expiry({ ttl, store: test.store, log: silentLogger, steady: test.clock })
    }
    const dayBefore = new Date(START - DAY_MS).toISOString()

    it('is to be forgotten: our own, and that of others as by them, each state once', async () => {
      const young = bundleOf(dataset('young'), {}, new Date(START).toISOString())
      const [ours, theirs] = [bundleOf(dataset('ours'), {}, dayBefore), bundleOf(dataset('theirs'), {}, dayBefore)]
      const profile = bundleOf(asRid(`orn:koi-net.node:old+${'c'.repeat(64)}`), {}, dayBefore)
      await test.put(young)
      await test.put(ours)
      await test.put(theirs, [], 'NEW', OTHER_PEER)
      await test.put(profile, [], 'NEW', PEER)
      await expiry().sweep(signal)
      expect((await test.store.inboxState()).pending).toBe(0)
      test.now += 1
      const held = await test.store.takeLease('expiry', 'another process', 30_000)
      await expiry().sweep(signal)
      expect((await test.store.inboxState()).pending).toBe(0)
      if (held !== undefined) await test.store.releaseLease(held)
      await expiry().sweep(signal)
      await expiry().sweep(signal)
      const lanes = await test.store.takeLanes('worker', 30_000, 10)
      const forgets = new Map(lanes.map(({ first }) => [first.lane, first]))
      expect(forgets.size).toBe(2)
      expect((await test.store.inboxState()).pending).toBe(2)
      const own = forgets.get(dataset('ours'))
      expect(own).toMatchObject({ eventType: 'FORGET', manifest: ours.manifest })
      expect(own?.source).toBeUndefined()
      const other = { eventType: 'FORGET', manifest: theirs.manifest, source: OTHER_PEER }
      expect(forgets.get(dataset('theirs'))).toMatchObject(other)
    })
  })
}
