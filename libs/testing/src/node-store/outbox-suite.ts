import { describe, expect, it } from 'vitest'
import { LeaseLostError, NO_EMISSIONS } from '@koi-mcp/core'
import type { DeliveryBatch } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { bundleOf, dataset, eventOf, LEASE_MS, OTHER_PEER, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

const A = dataset('a')
const B = dataset('b')

export function describeOutbox(test: StoreUnderTest): void {
  const take = (target: Rid, options: { limit?: number; maxBytes?: number; ignoreDue?: boolean } = {}) =>
    test.store.takeDeliveries(target, { owner: 'delivery', leaseMs: LEASE_MS, limit: 0, ...options })
  const taken = async (target: Rid, options = {}): Promise<DeliveryBatch> => {
    const batch = await take(target, options)
    if (batch === undefined) throw new Error(`nothing is queued for ${target}`)
    return batch
  }
  const due = async () => (await test.store.dueTargets(10)).map(({ target }) => target)
  const short = (batch: DeliveryBatch) => batch.eventTexts.map((text) => [eventOf(text).event_type, eventOf(text).rid])

  describe('outbox', () => {
    it('queues for each target once, and sends the whole event', async () => {
      const bundle = bundleOf(A, '{"v":1.0}')
      await test.put(bundle, [PEER, OTHER_PEER, PEER])
      expect([...(await due())].sort()).toEqual([OTHER_PEER, PEER])
      const batch = await taken(PEER)
      expect(batch).toMatchObject({ target: PEER, owner: 'delivery', failures: 0, rids: [A] })
      expect(batch.rows).toHaveLength(1)
      expect(batch.eventTexts.map(eventOf)).toEqual([
        { rid: A, event_type: 'NEW', manifest: JSON.parse(bundle.manifest.text) as unknown, contents: '{"v":1.0}' },
      ])
      await test.store.deliveriesDone(batch)
      expect(await take(PEER)).toBeUndefined()
      expect(await test.store.outboxState()).toEqual([{ target: OTHER_PEER, queued: 1, oldestAt: START, failures: 0 }])
    })

    it('keeps the order of different RIDs', async () => {
      for (const rid of [B, A, dataset('c')]) await test.put(bundleOf(rid), [PEER])
      expect(short(await taken(PEER))).toEqual([
        ['NEW', B],
        ['NEW', A],
        ['NEW', dataset('c')],
      ])
    })

    it('sends the bundle of now, and leaves out what is gone', async () => {
      await test.put(bundleOf(A, { v: 1 }), [PEER])
      await test.put(bundleOf(A, { v: 2 }), [], 'UPDATE')
      await test.put(bundleOf(B), [PEER, OTHER_PEER])
      await test.forget(B)
      const batch = await taken(PEER)
      expect(batch.eventTexts.map((text) => eventOf(text).contents)).toEqual(['{"v":2}'])
      await test.store.deliveriesDone(batch)
      expect(await take(OTHER_PEER)).toBeUndefined()
      expect(await test.store.outboxState()).toEqual([])
      expect(await due()).toEqual([])
    })

    type Step = 'NEW' | 'UPDATE' | 'FORGET'
    it.each<[Step[], Step[]]>([
      [['NEW', 'UPDATE'], ['NEW']],
      [['UPDATE', 'UPDATE'], ['UPDATE']],
      [['NEW', 'FORGET'], ['FORGET']],
      [['UPDATE', 'FORGET'], ['FORGET']],
      [
        ['FORGET', 'NEW'],
        ['FORGET', 'NEW'],
      ],
      [['FORGET', 'NEW', 'FORGET'], ['FORGET']],
      [['NEW', 'FORGET', 'NEW'], ['NEW']],
      [
        ['UPDATE', 'FORGET', 'NEW', 'UPDATE'],
        ['FORGET', 'NEW'],
      ],
    ])('collapses %s of one RID to %s, each in its own place', async (steps, results) => {
      if (steps[0] !== 'NEW') await test.put(bundleOf(A, { v: 0 }))
      for (const [index, step] of steps.entries()) {
        test.now += 10
        if (index === steps.length - 1) await test.put(bundleOf(B), [PEER])
        if (step === 'FORGET') await test.forget(A, [PEER])
        else await test.put(bundleOf(A, { v: index + 1 }), [PEER], step)
      }
      const batch = await taken(PEER)
      const [last, ...before] = results.toReversed()
      expect(short(batch)).toEqual([...before.map((result) => [result, A]), ['NEW', B], [last, A]])
      expect((await test.store.outboxState())[0]?.oldestAt).toBe(START + 10)
      expect(eventOf(batch.eventTexts.at(-1)!).contents).toBe(last === 'FORGET' ? undefined : `{"v":${steps.length}}`)
    })

    it('keeps a FORGET in front of a NEW for a target that may have had what was sent', async () => {
      await test.put(bundleOf(A, { v: 1 }), [PEER])
      const lost = await taken(PEER)
      await test.store.deliveriesFailed(lost, { error: 'no answer', dueAt: test.now })
      await test.forget(A, [PEER])
      await test.put(bundleOf(A, { v: 2 }, '2025-01-01T00:00:00Z'), [PEER])
      const expected = [
        ['FORGET', A],
        ['NEW', A],
      ]
      const again = await taken(PEER)
      expect(short(again)).toEqual(expected)
      test.now += LEASE_MS
      await test.put(bundleOf(A, { v: 3 }), [PEER], 'UPDATE')
      expect(short(await taken(PEER))).toEqual(expected)
    })

    it.each<[Step[], string[]]>([
      [['NEW', 'UPDATE'], ['NEW 2']],
      [['UPDATE', 'UPDATE'], ['UPDATE 2']],
      [['NEW', 'FORGET'], ['FORGET']],
      [
        ['FORGET', 'NEW'],
        ['FORGET', 'NEW 2'],
      ],
      [
        ['NEW', 'FORGET', 'NEW'],
        ['FORGET', 'NEW 3'],
      ],
      [['FORGET', 'NEW', 'FORGET'], ['FORGET']],
      [
        ['FORGET', 'NEW', 'UPDATE', 'FORGET', 'NEW', 'UPDATE', 'UPDATE'],
        ['FORGET', 'NEW 7'],
      ],
    ])('collapses %s of one node to %s: a handshake stays a FORGET and a NEW', async (steps, results) => {
      if (steps[0] !== 'NEW') await test.put(bundleOf(OTHER_PEER, { v: 0 }))
      for (const [index, step] of steps.entries()) {
        test.now += 10
        if (step === 'FORGET') await test.forget(OTHER_PEER, [PEER])
        else await test.put(bundleOf(OTHER_PEER, { v: index + 1 }), [PEER], step)
      }
      expect(await test.store.outboxState()).toMatchObject([{ queued: results.length, oldestAt: START + 10 }])
      // The cache of now is nothing to them.
      await test.put(bundleOf(OTHER_PEER, { v: 'later' }), [], 'UPDATE')
      const told = (await taken(PEER)).eventTexts.map(eventOf)
      const versions = told.map(({ contents }) => (contents === undefined ? '' : ` ${contents.match(/\d/)?.[0]}`))
      expect(told.map(({ event_type }, index) => event_type + versions[index]!)).toEqual(results)
    })

    it('keeps a node in front of its edge, whatever comes of the node', async () => {
      const edge = asRid(`orn:koi-net.edge:${'0'.repeat(64)}`)
      await test.put(bundleOf(OTHER_PEER, { v: 1 }), [PEER])
      await test.put(bundleOf(edge, { v: 1 }), [PEER])
      await test.put(bundleOf(OTHER_PEER, { v: 2 }), [PEER], 'UPDATE')
      await test.put(bundleOf(A), [PEER])
      const batch = await taken(PEER)
      expect(short(batch)).toEqual([
        ['NEW', OTHER_PEER],
        ['NEW', edge],
        ['NEW', A],
      ])
      expect(eventOf(batch.eventTexts[0]!).contents).toBe('{"v":2}')
    })

    it('collapses node events behind a batch that is under way, and with it when it fails', async () => {
      await test.put(bundleOf(OTHER_PEER, { v: 1 }), [PEER])
      const batch = await taken(PEER)
      await test.put(bundleOf(OTHER_PEER, { v: 2 }), [PEER], 'UPDATE')
      await test.put(bundleOf(OTHER_PEER, { v: 3 }), [PEER], 'UPDATE')
      expect(await test.store.outboxState()).toMatchObject([{ queued: 2 }])
      await test.store.deliveriesFailed(batch, { error: 'away', dueAt: test.now })
      const again = await taken(PEER)
      expect(short(again)).toEqual([['NEW', OTHER_PEER]])
      expect(eventOf(again.eventTexts[0]!).contents).toBe('{"v":3}')
      await test.forget(OTHER_PEER, [PEER])
      await test.store.deliveriesFailed(again, { error: 'away', dueAt: test.now })
      expect(short(await taken(PEER))).toEqual([['FORGET', OTHER_PEER]])
    })

    it('collapses what was sent past the pipeline as it does node events, each RID for itself', async () => {
      await test.store.accept([{ rid: A, source: PEER }])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const send = (rid: Rid, eventType: Step, n: number) => ({
        target: PEER,
        rid,
        eventType,
        eventText: `{"rid":"${rid}","event_type":"${eventType}","n":${n}}`,
      })
      const sends = [send(A, 'NEW', 1), send(B, 'UPDATE', 2), send(A, 'UPDATE', 3), send(B, 'UPDATE', 4)]
      await test.store.finish(lease, place, { arrivals: [], sends: [...sends, send(OTHER_PEER, 'FORGET', 5)] })
      await test.store.releaseLane(lease)
      await test.put(bundleOf(B), [PEER])
      const { eventTexts } = await taken(PEER)
      expect(eventTexts.slice(0, 3)).toEqual([
        `{"rid":"${A}","event_type":"NEW","n":3}`,
        `{"rid":"${B}","event_type":"UPDATE","n":4}`,
        `{"rid":"${OTHER_PEER}","event_type":"FORGET","n":5}`,
      ])
      expect(eventTexts.map(eventOf)[3]).toMatchObject({ rid: B, event_type: 'NEW' })
    })

    it('costs at most two rows for each RID, however much happens', async () => {
      const edge = asRid(`orn:koi-net.edge:${'0'.repeat(64)}`)
      for (let round = 0; round < 10; round++) {
        for (const rid of [A, OTHER_PEER, edge]) {
          await test.put(bundleOf(rid, { round }), [PEER])
          await test.put(bundleOf(rid, { round, again: true }), [PEER], 'UPDATE')
          await test.forget(rid, [PEER])
          await test.put(bundleOf(rid, { round, anew: true }), [PEER])
        }
      }
      const [state] = await test.store.outboxState()
      expect(state?.queued).toBeLessThanOrEqual(6)
      expect(state?.oldestAt).toBe(START)
    })

    it('leaves a batch that is under way alone, and collapses it when it fails', async () => {
      await test.put(bundleOf(A, { v: 1 }), [PEER])
      const batch = await taken(PEER)
      await test.put(bundleOf(A, { v: 2 }), [PEER], 'UPDATE')
      await test.put(bundleOf(A, { v: 3 }), [PEER], 'UPDATE')
      expect(await test.store.outboxState()).toMatchObject([{ target: PEER, queued: 2 }])
      await test.store.deliveriesFailed(batch, { error: 'away', dueAt: test.now })
      const again = await taken(PEER)
      expect(short(again)).toEqual([['NEW', A]])
      await test.put(bundleOf(A, { v: 4 }), [PEER], 'UPDATE')
      await test.store.deliveriesDone(again)
      expect(short(await taken(PEER))).toEqual([['UPDATE', A]])
    })

    it('bounds a batch by number and by bytes, one event at least', async () => {
      for (const reference of ['a', 'b', 'c', 'd'])
        await test.put(bundleOf(dataset(reference), { t: 'x'.repeat(1000) }), [PEER])
      const one = await taken(PEER, { maxBytes: 1 })
      expect(one.rids).toEqual([A])
      await test.store.deliveriesDone(one)
      const bytes = Buffer.byteLength(one.eventTexts[0]!)
      // Each event counts with the comma behind it.
      const less = await taken(PEER, { maxBytes: 2 * bytes + 1 })
      expect(less.rids).toEqual([B])
      await test.store.deliveriesFailed(less, { error: 'e', dueAt: test.now })
      const two = await taken(PEER, { maxBytes: 2 * bytes + 2 })
      expect(two.rids).toEqual([B, dataset('c')])
      await test.store.deliveriesFailed(two, { error: 'e', dueAt: test.now })
      expect((await taken(PEER, { limit: 1 })).rids).toEqual([B])
    })
  })

  describe('delivery', () => {
    it('is one at a time for each target', async () => {
      await test.put(bundleOf(A), [PEER])
      const batch = await taken(PEER)
      expect(await take(PEER, { ignoreDue: true })).toBeUndefined()
      expect(await due()).toEqual([])
      expect(await test.store.nextDeliveryAt()).toBe(START + LEASE_MS)
      test.now += LEASE_MS
      expect(await due()).toEqual([PEER])
      await expect(test.store.deliveriesDone(batch)).rejects.toThrow(LeaseLostError)
      const next = await taken(PEER)
      expect(next.token).toBeGreaterThan(batch.token)
      expect(next.rids).toEqual([A])
      await expect(test.store.deliveriesDone(batch)).rejects.toThrow(LeaseLostError)
      await expect(test.store.deliveriesFailed(batch, { error: 'e', dueAt: 0 })).rejects.toThrow(LeaseLostError)
      await test.store.deliveriesDone(next)
      await expect(test.store.deliveriesDone(next)).rejects.toThrow(LeaseLostError)
    })

    it('keeps a batch for as long as it is renewed', async () => {
      await test.put(bundleOf(A), [PEER])
      const batch = await taken(PEER)
      test.now += LEASE_MS - 1
      await test.store.renewDeliveries(batch, LEASE_MS)
      test.now += LEASE_MS - 1
      expect(await due()).toEqual([])
      test.now += 1
      await expect(test.store.renewDeliveries(batch, LEASE_MS)).rejects.toThrow(LeaseLostError)
      const next = await taken(PEER)
      await expect(test.store.renewDeliveries(batch, LEASE_MS)).rejects.toThrow(LeaseLostError)
      await test.store.deliveriesDone(next)
      await expect(test.store.renewDeliveries(next, LEASE_MS)).rejects.toThrow(LeaseLostError)
    })

    it('that came late is put right: a FORGET, and what is cached', async () => {
      const edge = asRid(`orn:koi-net.edge:${'e'.repeat(64)}`)
      for (const rid of [A, B, OTHER_PEER, edge]) await test.put(bundleOf(rid), [PEER])
      const late = await taken(PEER)
      test.now += LEASE_MS
      const another = await taken(PEER)
      for (const rid of [A, edge]) await test.forget(rid, [PEER])
      await test.store.deliveriesDone(another)
      await test.store.deliveriesDone(await taken(PEER))
      await test.store.deliveriesLate(late)
      const batch = await taken(PEER)
      expect(short(batch).sort()).toEqual([
        ['FORGET', A],
        ['FORGET', B],
        ['FORGET', edge],
        ['NEW', B],
        ['UPDATE', OTHER_PEER],
      ])
      await test.store.deliveriesDone(batch)
      expect(await test.store.outboxState()).toEqual([])
    })

    it('that came late is put right where something new of it waits, and the target told nothing of its own', async () => {
      for (const rid of [A, B]) await test.put(bundleOf(rid), [PEER])
      const late = await taken(PEER)
      test.now += LEASE_MS
      await test.store.deliveriesDone(await taken(PEER))
      await test.forget(A, [PEER])
      await test.store.deliveriesDone(await taken(PEER))
      await test.put(bundleOf(A, { v: 2 }), [PEER])
      await test.put(bundleOf(B, { v: 2 }), [], 'UPDATE', PEER)
      await test.store.deliveriesLate(late)
      expect(short(await taken(PEER))).toEqual([
        ['FORGET', A],
        ['NEW', A],
      ])
    })

    it('waits after a failure, except for a poll', async () => {
      await test.put(bundleOf(A), [PEER])
      expect(await test.store.nextDeliveryAt()).toBeUndefined()
      await test.store.deliveriesFailed(await taken(PEER), { error: 'refused', dueAt: START + 1000 })
      await test.put(bundleOf(B), [PEER])
      expect(await test.store.outboxState()).toEqual([
        { target: PEER, queued: 2, oldestAt: START, failures: 1, lastError: 'refused' },
      ])
      expect(await due()).toEqual([])
      expect(await test.store.nextDeliveryAt()).toBe(START + 1000)
      expect(await take(PEER)).toBeUndefined()
      const polled = await taken(PEER, { ignoreDue: true, limit: 1 })
      expect(polled).toMatchObject({ failures: 1, rids: [A] })
      await test.store.deliveriesDone(polled)
      expect(await test.store.outboxState()).toEqual([{ target: PEER, queued: 1, oldestAt: START, failures: 0 }])
      expect(await due()).toEqual([PEER])
    })

    it('gives the targets that are due a part at a time, the longest due first', async () => {
      const targets = ['c', 'a', 'b', 'd', 'e'].map((name) => asRid(`orn:koi-net.node:${name}+${'0'.repeat(64)}`))
      const [c, a, b, d, e] = targets as [Rid, Rid, Rid, Rid, Rid]
      await test.put(bundleOf(A), [c])
      test.now += 10
      await test.put(bundleOf(B), [b, a, d, e])
      await test.store.deliveriesFailed(await taken(e), { error: 'away', dueAt: test.now + 1 })
      const first = await test.store.dueTargets(2)
      expect(first).toEqual([
        { target: c, dueAt: START, failures: 0 },
        { target: a, dueAt: test.now, failures: 0 },
      ])
      await take(b)
      expect(await test.store.dueTargets(2, first[1])).toEqual([{ target: d, dueAt: test.now, failures: 0 }])
      expect(await test.store.dueTargets(2, { target: d, dueAt: test.now })).toEqual([])
      test.now += 1
      expect((await test.store.dueTargets(9)).at(-1)).toEqual({ target: e, dueAt: test.now, failures: 1 })
    })

    it('does not wait because the clock was set back', async () => {
      await test.put(bundleOf(A), [PEER])
      await test.put(bundleOf(B), [PEER])
      test.now -= 3_600_000
      expect(await due()).toEqual([PEER])
      expect(await test.store.nextDeliveryAt()).toBeUndefined()
      test.now += 3_600_000
      await test.store.deliveriesDone(await taken(PEER, { limit: 1 }))
      test.now -= 3_600_000
      expect((await taken(PEER)).rids).toEqual([B])
    })

    it('gives up on a target when told to', async () => {
      await test.put(bundleOf(A), [PEER, OTHER_PEER])
      await test.put(bundleOf(B), [PEER])
      expect(await test.store.dropDeliveries(PEER)).toBe(2)
      expect(await test.store.dropDeliveries(PEER)).toBe(0)
      expect(await due()).toEqual([OTHER_PEER])
      await test.put(bundleOf(B, { v: 2 }), [PEER], 'UPDATE')
      expect(short(await taken(PEER))).toEqual([['UPDATE', B]])
    })

    it('knows nothing of a target for which nothing is queued', async () => {
      expect(await take(PEER)).toBeUndefined()
      expect(await test.store.outboxState()).toEqual([])
      expect(await test.store.nextDeliveryAt()).toBeUndefined()
      await test.store.accept([{ rid: A, source: PEER }])
      const lease = await test.lease()
      await test.store.finish(lease, (await test.next(lease)).place, NO_EMISSIONS)
      expect(await test.store.outboxState()).toEqual([])
    })
  })
}
