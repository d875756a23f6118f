import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { bundleOf, dataset, eventOf, LEASE_MS, OTHER_PEER, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

const A = dataset('a')
const B = dataset('b')
const EDGE = asRid(`orn:koi-net.edge:${'0'.repeat(64)}`)

export function describeLapse(test: StoreUnderTest): void {
  const take = (target: Rid) =>
    test.store.takeDeliveries(target, { owner: 'd', leaseMs: LEASE_MS, limit: 0, ignoreDue: true })
  /** What a target is told; it has it then. */
  const told = async (target: Rid): Promise<string[]> => {
    const batch = await take(target)
    if (batch === undefined) return []
    await test.store.deliveriesDone(batch)
    return batch.eventTexts.map(eventOf).map(({ rid, event_type }) => `${event_type} ${rid}`)
  }
  const state = (...rids: readonly Rid[]) => rids.map((rid) => ({ rid, eventType: 'NEW' as const }))
  /** A peer for which something was queued, and given up. */
  const lapsed = async () => {
    await test.put(bundleOf(A), [PEER])
    test.now += 1000
    return test.store.lapseDeliveries(PEER, test.now)
  }

  describe('a target that lapses', () => {
    it('loses what is queued, where the oldest of it is that old', async () => {
      await test.put(bundleOf(A), [PEER, OTHER_PEER])
      test.now += 1000
      await test.put(bundleOf(B), [PEER])
      expect(await test.store.lapseDeliveries(PEER, START - 1)).toBeUndefined()
      expect(await test.store.lapsedTargets()).toEqual([])
      expect(await test.store.lapseDeliveries(PEER, START)).toBe(2)
      expect(await test.store.lapsedTargets()).toEqual([{ target: PEER, lapsedAt: test.now, resumed: false }])
      expect(await test.store.outboxState()).toMatchObject([{ target: OTHER_PEER, queued: 1 }])
      expect(await take(PEER)).toBeUndefined()
      expect(await test.store.dueTargets(10)).toMatchObject([{ target: OTHER_PEER }])
      expect(await test.store.nextDeliveryAt()).toBeUndefined()
      expect(await test.store.lapseDeliveries(PEER, test.now)).toBeUndefined()
      expect(await test.store.lapseDeliveries(dataset('nobody'), test.now)).toBeUndefined()
    })

    it('keeps it while a batch is under way, and says why the last one failed', async () => {
      await test.put(bundleOf(A), [PEER])
      const batch = (await take(PEER))!
      expect(await test.store.lapseDeliveries(PEER, START)).toBeUndefined()
      await test.store.deliveriesFailed(batch, { error: 'away', dueAt: START + 1000 })
      expect(await test.store.lapseDeliveries(PEER, START)).toBe(1)
      expect(await test.store.lapsedTargets()).toMatchObject([{ target: PEER, lastError: 'away' }])
    })

    it('has nothing queued any more, of knowledge, of nodes, or past the pipeline', async () => {
      await lapsed()
      await test.put(bundleOf(B), [PEER, OTHER_PEER])
      await test.put(bundleOf(EDGE), [PEER])
      await test.store.accept([{ rid: A, source: OTHER_PEER }])
      const lease = await test.lease()
      const send = { target: PEER, rid: B, eventType: 'NEW', eventText: '{}' } as const
      await test.store.finish(lease, (await test.next(lease)).place, { arrivals: [], sends: [send] })
      expect(await test.store.outboxState()).toMatchObject([{ target: OTHER_PEER, queued: 1 }])
      expect(await take(PEER)).toBeUndefined()
    })

    it('is one like all others again when it is dropped', async () => {
      await lapsed()
      expect(await test.store.dropDeliveries(PEER)).toBe(0)
      expect(await test.store.lapsedTargets()).toEqual([])
      await test.put(bundleOf(B), [PEER])
      expect(await told(PEER)).toEqual([`NEW ${B}`])
    })
  })

  describe('a lapsed target that is reached again', () => {
    it('is resumed once', async () => {
      await lapsed()
      const answers = await Promise.all([test.store.resumeDeliveries(PEER), test.store.resumeDeliveries(PEER)])
      expect(answers.sort()).toEqual([false, true])
      expect(await test.store.resumeDeliveries(OTHER_PEER)).toBe(false)
      expect(await test.store.lapsedTargets()).toMatchObject([{ target: PEER, resumed: true }])
      expect(await test.store.dueTargets(10)).toEqual([])
      expect(await test.store.nextDeliveryAt()).toBeUndefined()
    })

    it('is told the state of now, and what changes meanwhile, at once although it failed before', async () => {
      await test.put(bundleOf(A, { v: 1 }), [PEER])
      await test.store.deliveriesFailed((await take(PEER))!, { error: 'away', dueAt: START + 1_000_000 })
      await test.store.lapseDeliveries(PEER, START)
      await test.put(bundleOf(A, { v: 2 }), [PEER], 'UPDATE')
      await test.put(bundleOf(B), [PEER])
      await test.store.resumeDeliveries(PEER)
      await test.put(bundleOf(dataset('c')), [PEER])
      await test.store.queueState(PEER, state(A), false)
      expect(await test.store.dueTargets(10)).toMatchObject([{ target: PEER, failures: 0 }])
      const batch = (await take(PEER))!
      expect(batch.eventTexts.map(eventOf).map(({ rid, contents }) => [rid, contents])).toEqual([
        [dataset('c'), '{"name":"x"}'],
        [A, '{"v":2}'],
      ])
      await test.store.deliveriesDone(batch)
      expect(await test.store.lapsedTargets()).toMatchObject([{ resumed: true }])
      expect(await test.store.dueTargets(10)).toEqual([])
      await test.store.queueState(PEER, state(B), true)
      expect(await test.store.lapsedTargets()).toEqual([])
      expect(await told(PEER)).toEqual([`NEW ${B}`])
    })

    it('is told to forget in front of what came after it, whatever the two come to else', async () => {
      await lapsed()
      await test.store.resumeDeliveries(PEER)
      const forgets = [A, B].map((rid) => ({ rid, eventType: 'FORGET' as const }))
      await test.store.queueState(PEER, forgets, false)
      await test.store.queueState(PEER, state(A), true)
      expect(await told(PEER)).toEqual([`FORGET ${A}`, `FORGET ${B}`, `NEW ${A}`])
    })

    it('may hold an older state of what it is told, so that a FORGET behind it counts', async () => {
      await lapsed()
      await test.store.resumeDeliveries(PEER)
      await test.store.queueState(PEER, state(A), true)
      await test.forget(A, [PEER])
      await test.put(bundleOf(A, { v: 2 }, '2025-01-01T00:00:00Z'), [PEER])
      expect(await told(PEER)).toEqual([`FORGET ${A}`, `NEW ${A}`])
    })

    it('is told of nodes and edges as they are now, and not of what is gone', async () => {
      await lapsed()
      await test.put(bundleOf(OTHER_PEER, { v: 1 }))
      await test.store.resumeDeliveries(PEER)
      await test.put(bundleOf(EDGE, { v: 1 }), [PEER])
      await test.store.queueState(PEER, state(OTHER_PEER, EDGE, dataset('gone'), asRid(`${EDGE}1`)), true)
      expect(await told(PEER)).toEqual([`NEW ${EDGE}`, `NEW ${OTHER_PEER}`])
    })

    it('is not told of what it told itself', async () => {
      await lapsed()
      await test.put(bundleOf(B), [], 'NEW', PEER)
      await test.put(bundleOf(PEER), [], 'NEW', PEER)
      await test.put(bundleOf(dataset('c')), [], 'NEW', OTHER_PEER)
      await test.store.resumeDeliveries(PEER)
      await test.store.queueState(PEER, state(B, PEER, dataset('c')), true)
      expect(await told(PEER)).toEqual([`NEW ${dataset('c')}`])
    })

    it('may have nothing to be told', async () => {
      await lapsed()
      await test.store.resumeDeliveries(PEER)
      await test.store.queueState(PEER, [], true)
      expect(await test.store.lapsedTargets()).toEqual([])
      expect(await test.store.dueTargets(10)).toEqual([])
      expect(await take(PEER)).toBeUndefined()
    })

    it('may lapse again', async () => {
      await lapsed()
      await test.store.resumeDeliveries(PEER)
      await test.store.queueState(PEER, state(A), false)
      test.now += 1000
      expect(await test.store.lapseDeliveries(PEER, test.now)).toBe(1)
      expect(await test.store.lapsedTargets()).toEqual([{ target: PEER, lapsedAt: test.now, resumed: false }])
      await test.store.queueState(PEER, state(A), true)
      expect(await test.store.outboxState()).toEqual([])
      expect(await test.store.lapsedTargets()).toMatchObject([{ resumed: false }])
    })

    it('is owed nothing that way who never lapsed', async () => {
      await test.put(bundleOf(A), [OTHER_PEER])
      for (const target of [PEER, OTHER_PEER]) await test.store.queueState(target, state(A, EDGE), true)
      expect(await test.store.outboxState()).toMatchObject([{ target: OTHER_PEER, queued: 1 }])
    })
  })
}
