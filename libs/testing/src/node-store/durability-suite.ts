import { describe, expect, it } from 'vitest'
import { LeaseLostError, NO_EMISSIONS } from '@koi-mcp/core'
import { contentsOf } from '@koi-mcp/protocol'
import { arrivalOf, bundleOf, dataset, eventOf, LEASE_MS, OTHER_PEER, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

const A = dataset('a')

/** What stands after the store was closed and opened again: everything but leases. */
export function describeDurability(test: StoreUnderTest): void {
  describe('closed and opened again', () => {
    it('has its inbox, in the phases where it stopped', async () => {
      const bundle = bundleOf(A, '{"v":1.0}')
      await test.store.accept([arrivalOf(bundle)], { key: 'k', until: START + 1000 })
      const { places } = await test.store.accept([arrivalOf(bundleOf(dataset('b')))])
      const old = await test.lease()
      const { place } = await test.next(old)
      const change = { kind: 'write', normalizedEventType: 'NEW', bundle, origin: PEER } as const
      await test.store.apply(old, place, change, NO_EMISSIONS)
      await test.reopen()
      expect((await test.store.accept([arrivalOf(bundle)], { key: 'k', until: START + 1000 })).repeated).toBe(true)
      expect((await test.store.accept([{ rid: dataset('c'), source: PEER }])).places[0]).toBeGreaterThan(places[0]!)
      await expect(test.store.finish(old, place, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
      const lease = await test.lease()
      expect(lease.token).toBeGreaterThan(old.token)
      expect(await test.next(lease)).toMatchObject({ place, phase: 'network', applied: { normalizedEventType: 'NEW' } })
      await expect(test.store.finish(old, place, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
    })

    it('has its cache, change log, search index and values', async () => {
      const seq = await test.put(bundleOf(A, '{"text":"needle","n":1.0}'), [], 'NEW', PEER)
      await test.store.setValue('k/v', 'value')
      await test.reopen()
      expect(await test.store.read(A)).toMatchObject({ rid: A, seq, origin: PEER })
      expect((await test.store.read(A))?.bundle.contents.text).toBe('{"text":"needle","n":1.0}')
      expect((await test.store.search('needle')).hits.map((hit) => hit.rid)).toEqual([A])
      expect(await test.store.lastChange()).toBe(seq)
      expect(await test.store.getValue('k/v')).toBe('value')
      expect(await test.put(bundleOf(dataset('b')))).toBeGreaterThan(seq)
    })

    it('has attempts that failed, and named leases that are nobody’s, behind a greater token', async () => {
      await test.store.accept([arrivalOf(bundleOf(A))])
      const lane = await test.lease()
      const { place } = await test.next(lane)
      await test.store.retryLater(lane, place, { error: 'once', dueAt: START, countAttempt: true })
      const lease = await test.store.takeLease('work', 'one', LEASE_MS)
      await test.reopen()
      const again = await test.lease()
      await test.store.deadLetter(again, place, 'twice', NO_EMISSIONS)
      expect((await test.store.listDeadLetters())[0]?.history.map(({ error }) => error)).toEqual(['once', 'twice'])
      await expect(test.store.accept([], undefined, lease)).rejects.toThrow(LeaseLostError)
      const next = await test.store.takeLease('work', 'two', LEASE_MS)
      expect(next?.token).toBeGreaterThan(lease!.token)
    })

    it('has its outbox, with failures, and nobody holds a batch', async () => {
      await test.put(bundleOf(A), [PEER, OTHER_PEER])
      const options = { owner: 'd', leaseMs: LEASE_MS, limit: 0 }
      await test.store.takeDeliveries(PEER, options)
      const failed = await test.store.takeDeliveries(OTHER_PEER, options)
      await test.store.deliveriesFailed(failed!, { error: 'away', dueAt: START + 1000 })
      await test.reopen()
      expect(await test.store.dueTargets(10)).toMatchObject([{ target: PEER }])
      expect(await test.store.nextDeliveryAt()).toBe(START + 1000)
      const batch = await test.store.takeDeliveries(PEER, options)
      expect(batch?.eventTexts.map(eventOf)).toMatchObject([{ rid: A, event_type: 'NEW' }])
    })

    it('knows who has lapsed, and who was resumed', async () => {
      await test.put(bundleOf(A), [PEER, OTHER_PEER])
      for (const target of [PEER, OTHER_PEER]) await test.store.lapseDeliveries(target, START)
      await test.store.resumeDeliveries(PEER)
      await test.reopen()
      const lapsed = await test.store.lapsedTargets()
      expect(new Map(lapsed.map(({ target, resumed }) => [target, resumed]))).toEqual(
        new Map([
          [PEER, true],
          [OTHER_PEER, false],
        ]),
      )
      await test.put(bundleOf(dataset('b')), [PEER, OTHER_PEER])
      expect(await test.store.outboxState()).toMatchObject([{ target: PEER, queued: 1 }])
    })

    it('makes nothing wait for hours when the clock was set back meanwhile', async () => {
      await test.store.accept([arrivalOf(bundleOf(dataset('b')))])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      await test.store.retryLater(lease, place, { error: 'once', dueAt: START + 1000, countAttempt: true })
      await test.store.releaseLane(lease)
      await test.put(bundleOf(A), [PEER])
      const failed = await test.store.takeDeliveries(PEER, { owner: 'd', leaseMs: LEASE_MS, limit: 0 })
      await test.store.deliveriesFailed(failed!, { error: 'away', dueAt: START + 1000 })
      test.now -= 3_600_000
      await test.reopen()
      expect(await test.next(await test.lease())).toMatchObject({ place, attempts: 1 })
      expect(await test.store.dueTargets(10)).toMatchObject([{ target: PEER, dueAt: test.now }])
    })

    it('has its dead letters, and remembers the stamps of what is gone', async () => {
      const contents = contentsOf({ own: 1 })
      await test.store.accept([{ rid: A, eventType: 'NEW', contents }])
      const lease = await test.lease()
      await test.store.deadLetter(lease, (await test.next(lease)).place, 'no good', NO_EMISSIONS)
      await test.reopen()
      const [letter] = await test.store.listDeadLetters()
      expect(letter).toMatchObject({
        error: 'no good',
        arrival: { rid: A },
        history: [{ at: START, error: 'no good' }],
      })
      test.now -= 60_000
      await test.store.accept([{ rid: A, eventType: 'NEW', contents }])
      expect((await test.next(await test.lease())).manifest?.timestamp).toBe('2026-01-01T00:00:00.000001Z')
    })
  })
}
