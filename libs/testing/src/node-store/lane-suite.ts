import { describe, expect, it } from 'vitest'
import { LeaseLostError, NETWORK_LANE, NO_EMISSIONS } from '@koi-mcp/core'
import { asRid, contentsOf } from '@koi-mcp/protocol'
import { arrivalOf, arrivals, bundleOf, dataset, LEASE_MS, OTHER_PEER, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export function describeLanes(test: StoreUnderTest): void {
  describe('lanes', () => {
    it('keep nodes and edges in one lane, in order, and every other RID in its own', async () => {
      const edge = asRid(`orn:koi-net.edge:${'0'.repeat(64)}`)
      await test.store.accept([
        arrivalOf(bundleOf(PEER)),
        arrivalOf(bundleOf(dataset('a'))),
        arrivalOf(bundleOf(edge)),
        arrivalOf(bundleOf(dataset('b'))),
        arrivalOf(bundleOf(dataset('a')), 'UPDATE'),
      ])
      const leases = [await test.lease('w1'), await test.lease('w2'), await test.lease('w3')]
      expect(leases.map((lease) => lease.lane)).toEqual([NETWORK_LANE, dataset('a'), dataset('b')])
      expect(await test.store.takeLanes('w4', LEASE_MS, 1)).toEqual([])
      const network = leases[0]!
      const first = await test.next(network)
      expect(first.rid).toBe(PEER)
      expect(await test.next(network)).toEqual(first)
      await test.store.finish(network, first.place, NO_EMISSIONS)
      expect((await test.next(network)).rid).toBe(edge)
    })

    it('are taken several at once, in the order of their first places, each with its first arrival', async () => {
      await test.store.accept(['a', 'b', 'a', 'c'].map((name) => arrivalOf(bundleOf(dataset(name)))))
      const taken = await test.store.takeLanes('w1', LEASE_MS, 2)
      expect(taken.map(({ lease }) => lease.lane)).toEqual([dataset('a'), dataset('b')])
      for (const { lease, first } of taken) expect(first).toEqual(await test.next(lease))
      const rest = await test.store.takeLanes('w2', LEASE_MS, 9)
      expect(rest.map(({ first }) => first.rid)).toEqual([dataset('c')])
      expect(new Set([...taken, ...rest].map(({ lease }) => lease.token)).size).toBe(3)
    })

    it('hold up no node for one whose contents have to be fetched', async () => {
      const { manifest } = bundleOf(OTHER_PEER)
      await test.store.accept([
        { rid: OTHER_PEER, eventType: 'NEW', source: PEER },
        { rid: OTHER_PEER, eventType: 'NEW', manifest, source: PEER },
        arrivalOf(bundleOf(PEER)),
        { rid: OTHER_PEER, eventType: 'FORGET', source: PEER },
      ])
      const leases = [await test.lease('w1'), await test.lease('w2')]
      expect(leases.map((lease) => lease.lane)).toEqual([OTHER_PEER, NETWORK_LANE])
      expect(await test.store.takeLanes('w3', LEASE_MS, 1)).toEqual([])
      expect((await test.next(leases[1]!)).rid).toBe(PEER)
    })

    it('have their work due at once, also when the clock is set back', async () => {
      await test.store.accept([arrivalOf(bundleOf(dataset('a')))])
      test.now -= 3_600_000
      expect((await test.store.inboxState()).nextDueAt).toBeLessThanOrEqual(test.now)
      expect(await test.next(await test.lease())).toMatchObject({ rid: dataset('a'), acceptedAt: START })
    })

    it('never give a later arrival before the first one is due and finished', async () => {
      const rid = dataset('a')
      await test.store.accept([arrivalOf(bundleOf(rid)), arrivalOf(bundleOf(rid), 'UPDATE')])
      const lease = await test.lease()
      const first = await test.next(lease)
      await test.store.retryLater(lease, first.place, { error: 'later', dueAt: START + 5000, countAttempt: true })
      expect(await test.store.nextArrival(lease)).toBeUndefined()
      await test.store.releaseLane(lease)
      expect(await test.store.takeLanes('worker', LEASE_MS, 1)).toEqual([])
      expect(await test.store.inboxState()).toEqual({ pending: 2, deadLetters: 0, nextDueAt: START + 5000 })
      test.now = START + 5000
      const again = await test.lease()
      expect(await test.next(again)).toMatchObject({ place: first.place, attempts: 1 })
      await test.store.retryLater(again, first.place, { error: 'outage', dueAt: test.now, countAttempt: false })
      expect(await test.next(again)).toMatchObject({ place: first.place, attempts: 1 })
      await test.store.finish(again, first.place, NO_EMISSIONS)
      expect(await test.next(again)).toMatchObject({ eventType: 'UPDATE', attempts: 0 })
    })

    it('tell whether they hold work', async () => {
      const rid = dataset('a')
      expect(await test.store.laneBusy(rid)).toBe(false)
      expect(await test.store.inboxState()).toEqual({ pending: 0, deadLetters: 0, nextDueAt: undefined })
      await test.store.accept([arrivalOf(bundleOf(rid))])
      expect(await test.store.laneBusy(rid)).toBe(true)
      expect(await test.store.laneBusy(NETWORK_LANE)).toBe(false)
      const lease = await test.lease()
      const held = await test.store.inboxState()
      expect(held).toMatchObject({ pending: 1, deadLetters: 0 })
      expect(held.nextDueAt).toBeLessThanOrEqual(START)
      await test.store.finish(lease, (await test.next(lease)).place, NO_EMISSIONS)
      expect(await test.store.laneBusy(rid)).toBe(false)
      expect(await test.store.nextArrival(lease)).toBeUndefined()
    })
  })

  describe('leases', () => {
    it('are lost by themselves when not renewed, and nothing is written under a lost one', async () => {
      await test.store.accept([arrivalOf(bundleOf(dataset('a')))])
      const old = await test.lease('w1')
      const { place } = await test.next(old)
      test.now += LEASE_MS - 1
      await test.store.renewLane(old, LEASE_MS)
      test.now += LEASE_MS - 1
      expect(await test.store.takeLanes('w2', LEASE_MS, 1)).toEqual([])
      test.now += 1
      const write = { kind: 'write', normalizedEventType: 'NEW', bundle: bundleOf(dataset('a')), origin: PEER } as const
      const leases = [
        () => Promise.resolve(old),
        async () => ({ ...(await test.lease('w2')), owner: 'w1' }),
        () => Promise.resolve(old),
      ]
      // Run out and nobody's; held by another; and again the first, fenced off.
      for (const leaseNow of leases) {
        const lease = await leaseNow()
        const failure = { error: 'e', dueAt: test.now, countAttempt: true }
        await expect(test.store.apply(lease, place, write, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
        await expect(test.store.announce(lease, place, [], NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
        const settled = test.store.settle(lease, place, write, { targets: [], asOf: 9 }, NO_EMISSIONS)
        await expect(settled).rejects.toThrow(LeaseLostError)
        await expect(test.store.finish(lease, place, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
        await expect(test.store.retryLater(lease, place, failure)).rejects.toThrow(LeaseLostError)
        await expect(test.store.deadLetter(lease, place, 'e', NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
        await expect(test.store.renewLane(lease, LEASE_MS)).rejects.toThrow(LeaseLostError)
        await expect(test.store.nextArrival(lease)).rejects.toThrow(LeaseLostError)
        await test.store.releaseLane(lease)
      }
      expect(await test.store.read(dataset('a'))).toBeUndefined()
      expect(await test.store.lastChange()).toBe(0)
      expect(await test.store.inboxState()).toMatchObject({ pending: 1, deadLetters: 0 })
      expect(await test.store.takeLanes('w3', LEASE_MS, 1)).toEqual([])
    })

    it('have tokens that grow, and each fences off those before it, of the same owner too', async () => {
      await test.store.accept([arrivalOf(bundleOf(dataset('a')))])
      const first = await test.lease()
      const { place } = await test.next(first)
      await test.store.releaseLane(first)
      const second = await test.lease()
      expect(second.token).toBeGreaterThan(first.token)
      await expect(test.store.finish(first, place, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
      await test.store.releaseLane(first)
      await test.store.finish(second, place, NO_EMISSIONS)
    })
  })

  describe('the steps of an arrival', () => {
    it('resume where they stopped, with what the later phases need', async () => {
      const rid = dataset('a')
      const before = bundleOf(rid, '{"v":1.0}')
      const after = bundleOf(rid, '{"v":2.0}', '2026-01-02T00:00:00Z')
      await test.put(before)
      await test.store.accept([{ rid, eventType: 'NEW', manifest: after.manifest, source: PEER }])
      const lost = await test.lease()
      const { place } = await test.next(lost)
      const change = { kind: 'write', normalizedEventType: 'UPDATE', bundle: after, origin: PEER } as const
      const applied = await test.store.apply(lost, place, change, NO_EMISSIONS)
      expect(applied.previous?.contents.text).toBe('{"v":1.0}')
      test.now += LEASE_MS
      const lease = await test.lease()
      const resumed = await test.next(lease)
      expect(resumed).toMatchObject({ place, phase: 'network', eventType: 'NEW' })
      expect(resumed.manifest).toEqual(after.manifest)
      expect(resumed.contents?.text).toBe('{"v":2.0}')
      expect(resumed.applied?.normalizedEventType).toBe('UPDATE')
      expect(resumed.applied?.previous?.manifest).toEqual(before.manifest)
      expect(resumed.applied?.previous?.contents.text).toBe('{"v":1.0}')
      await expect(test.store.apply(lease, place, change, NO_EMISSIONS)).rejects.toThrow()
      await test.store.announce(lease, place, [OTHER_PEER], NO_EMISSIONS)
      expect((await test.next(lease)).phase).toBe('final')
      await expect(test.store.announce(lease, place, [OTHER_PEER], NO_EMISSIONS)).rejects.toThrow()
      await test.store.finish(lease, place, NO_EMISSIONS)
      expect(await test.store.outboxState()).toMatchObject([{ target: OTHER_PEER, queued: 1 }])
      await expect(test.store.finish(lease, place, NO_EMISSIONS)).rejects.toThrow()
    })

    it('are made in one where nothing waits behind the cache, and the lane is given back when it is empty', async () => {
      const rid = dataset('a')
      const [before, after] = [bundleOf(rid, '{"v":1.0}'), bundleOf(rid, '{"v":2.0}', '2026-01-02T00:00:00Z')]
      await test.store.accept([arrivalOf(before), arrivalOf(after, 'UPDATE')])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const announcement = { targets: [OTHER_PEER, OTHER_PEER], asOf: 0 }
      const write = { kind: 'write', normalizedEventType: 'NEW', bundle: before, origin: PEER } as const
      const emitted = arrivals({ rid: dataset('made'), source: PEER })
      expect(await test.store.settle(lease, place, write, announcement, emitted)).toEqual({ more: true })
      expect(await test.store.read(rid)).toMatchObject({ rid, origin: PEER, seq: 1 })
      expect(await test.store.outboxState()).toMatchObject([{ target: OTHER_PEER, queued: 1 }])
      await expect(test.store.settle(lease, place, write, announcement, NO_EMISSIONS)).rejects.toThrow()

      const update = await test.next(lease)
      expect(update).toMatchObject({ eventType: 'UPDATE', phase: 'received' })
      const forget = { kind: 'forget' } as const
      expect(await test.store.settle(lease, update.place, forget, { targets: [], asOf: 0 }, NO_EMISSIONS)).toEqual({
        more: false,
      })
      expect(await test.store.read(rid)).toBeUndefined()
      const changes = await test.store.changesAfter(0, 10)
      expect(changes.map(({ eventType }) => eventType)).toEqual(['NEW', 'FORGET'])
      expect(await test.store.inboxState()).toMatchObject({ pending: 1, deadLetters: 0 })
      await expect(test.store.renewLane(lease, LEASE_MS)).rejects.toThrow(LeaseLostError)
      await test.store.accept([arrivalOf(after)])
      expect((await test.lease('w2')).lane).toBe(dataset('made'))
      expect((await test.lease('w2')).lane).toBe(rid)
    })

    it('are not made in one where a node or an edge changed after the targets were looked for', async () => {
      await test.put(bundleOf(dataset('b')))
      await test.put(bundleOf(PEER))
      const bundle = bundleOf(dataset('a'))
      await test.store.accept([arrivalOf(bundle)])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const write = { kind: 'write', normalizedEventType: 'NEW', bundle, origin: PEER } as const
      const settle = (asOf: number) => test.store.settle(lease, place, write, { targets: [PEER], asOf }, NO_EMISSIONS)
      expect(await settle(1)).toBeUndefined()
      expect(await test.store.read(dataset('a'))).toBeUndefined()
      expect(await test.store.outboxState()).toEqual([])
      expect(await test.next(lease)).toMatchObject({ place, phase: 'received' })
      expect(await settle(2)).toEqual({ more: false })
    })

    it('are not made in one behind the first of them', async () => {
      const bundle = bundleOf(dataset('a'))
      await test.store.accept([arrivalOf(bundle)])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const write = { kind: 'write', normalizedEventType: 'NEW', bundle, origin: PEER } as const
      await test.store.apply(lease, place, write, NO_EMISSIONS)
      const settled = test.store.settle(lease, place, write, { targets: [], asOf: 9 }, NO_EMISSIONS)
      await expect(settled).rejects.toThrow('phase')
    })

    it('accept what handlers emit with them, after what waits already', async () => {
      const rid = dataset('a')
      await test.store.accept([arrivalOf(bundleOf(rid)), arrivalOf(bundleOf(rid), 'UPDATE')])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const own = { rid: dataset('made'), eventType: 'NEW', contents: contentsOf({ made: true }) } as const
      const change = { kind: 'write', normalizedEventType: 'NEW', bundle: bundleOf(rid), origin: PEER } as const
      await test.store.apply(lease, place, change, arrivals(own, { rid, eventType: 'FORGET' }))
      const send = { target: PEER, rid, eventType: 'NEW', eventText: '{"sent":1}' } as const
      await test.store.announce(lease, place, [], { arrivals: [], sends: [send] })
      await test.store.finish(lease, place, { arrivals: [{ rid: dataset('last'), source: PEER }], sends: [] })
      const update = await test.next(lease)
      expect(update.eventType).toBe('UPDATE')
      await test.store.finish(lease, update.place, NO_EMISSIONS)
      expect((await test.next(lease)).eventType).toBe('FORGET')
      const made = await test.lease('w2')
      expect(await test.next(made)).toMatchObject({
        rid: dataset('made'),
        manifest: { timestamp: '2026-01-01T00:00:00Z' },
      })
      expect((await test.lease('w3')).lane).toBe(dataset('last'))
      const batch = await test.store.takeDeliveries(PEER, { owner: 'd', leaseMs: LEASE_MS, limit: 0 })
      expect(batch?.eventTexts).toEqual(['{"sent":1}'])
    })

    it('refuse an arrival that is not the first of the lane', async () => {
      const rid = dataset('a')
      const { places } = await test.store.accept([arrivalOf(bundleOf(rid)), arrivalOf(bundleOf(rid), 'UPDATE')])
      const lease = await test.lease()
      await expect(test.store.finish(lease, places[1]!, NO_EMISSIONS)).rejects.toThrow()
      expect((await test.store.inboxState()).pending).toBe(2)
    })

    it('put an arrival among the dead letters, and the lane goes on', async () => {
      const rid = dataset('a')
      const bundle = bundleOf(rid, '{"v":1.0}')
      await test.store.accept([arrivalOf(bundle), arrivalOf(bundle, 'UPDATE'), { rid: dataset('b'), source: PEER }])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      await test.store.retryLater(lease, place, { error: 'once', dueAt: test.now, countAttempt: true })
      test.now += 10
      await test.store.deadLetter(lease, place, 'no good', arrivals({ rid: dataset('c'), source: PEER }))
      expect((await test.next(lease)).eventType).toBe('UPDATE')
      const [letter] = await test.store.listDeadLetters()
      expect(letter).toMatchObject({ place, error: 'no good', attempts: 2, failedAt: START + 10 })
      expect(letter?.arrival).toMatchObject({ rid, eventType: 'NEW', source: PEER, manifest: bundle.manifest })
      expect(letter?.arrival.contents?.text).toBe('{"v":1.0}')
      const other = await test.lease('w2')
      const second = (await test.next(other)).place
      await test.store.deadLetter(other, second, 'neither', NO_EMISSIONS)
      expect(await test.store.inboxState()).toMatchObject({ pending: 2, deadLetters: 2 })
      const letters = [{ after: place }, { limit: 1 }, { after: second }].map((page) =>
        test.store.listDeadLetters(page),
      )
      const pages = (await Promise.all(letters)).map((page) => page.map((one) => one.place))
      expect(pages).toEqual([[second], [place], []])
    })

    it('announce what was cached together with its dead letter, and nothing that was not', async () => {
      const bundle = bundleOf(dataset('a'))
      await test.store.accept([arrivalOf(bundle), arrivalOf(bundleOf(dataset('b')))])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      await expect(test.store.deadLetter(lease, place, 'too early', NO_EMISSIONS, [PEER])).rejects.toThrow('phase')
      await test.store.apply(lease, place, { kind: 'write', normalizedEventType: 'NEW', bundle }, NO_EMISSIONS)
      await test.store.deadLetter(lease, place, 'no good', NO_EMISSIONS, [PEER, PEER])
      const batch = await test.store.takeDeliveries(PEER, { owner: 'd', leaseMs: LEASE_MS, limit: 0 })
      expect(batch?.rids).toEqual([dataset('a')])
      expect(await test.store.inboxState()).toMatchObject({ pending: 1, deadLetters: 1 })
    })
  })
}
