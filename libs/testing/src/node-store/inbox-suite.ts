import { describe, expect, it } from 'vitest'
import { NO_EMISSIONS } from '@koi-mcp/core'
import { contentsOf, compareTimestamps, parseTimestamp } from '@koi-mcp/protocol'
import { arrivalOf, bundleOf, dataset, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export function describeInbox(test: StoreUnderTest): void {
  describe('accept', () => {
    it('gives growing places in the order given', async () => {
      const first = await test.store.accept([arrivalOf(bundleOf(dataset('a'))), arrivalOf(bundleOf(dataset('b')))])
      const second = await test.store.accept([arrivalOf(bundleOf(dataset('c')))])
      expect(first.repeated).toBe(false)
      const places = [...first.places, ...second.places]
      expect(places).toHaveLength(3)
      expect(places).toEqual([...places].sort((a, b) => a - b))
      expect(new Set(places).size).toBe(3)
      expect((await test.store.inboxState()).pending).toBe(3)
    })

    it('gives back the arrival as it came', async () => {
      const rid = dataset('a')
      const bundle = bundleOf(rid, '{"10":1.0,"2":12345678901234567890,"text":"\\u0000"}')
      const { places } = await test.store.accept([arrivalOf(bundle)])
      const arrival = await test.next(await test.lease())
      expect(arrival).toMatchObject({ place: places[0], lane: rid, phase: 'received', attempts: 0, acceptedAt: START })
      expect(arrival).toMatchObject({ rid, eventType: 'NEW', source: PEER })
      expect(arrival.manifest).toEqual(bundle.manifest)
      expect(arrival.contents?.text).toBe(bundle.contents.text)
      expect(arrival.applied).toBeUndefined()
    })

    it('keeps an RID alone as it is', async () => {
      await test.store.accept([{ rid: dataset('a'), source: PEER }])
      const arrival = await test.next(await test.lease())
      expect(arrival.eventType).toBeUndefined()
      expect(arrival.manifest).toBeUndefined()
      expect(arrival.contents).toBeUndefined()
    })

    it('keeps with a FORGET the state that is to go', async () => {
      const { manifest } = bundleOf(dataset('a'))
      const forget = { rid: dataset('a'), eventType: 'FORGET', manifest } as const
      const named = await test.store.takeLease('expiry', 'worker', 1000)
      const once = { key: 'a', until: START + 1000 }
      await test.store.accept([forget, { ...forget, source: PEER }], once, named)
      expect((await test.store.accept([forget], once, named)).repeated).toBe(true)
      const lease = await test.lease()
      const own = await test.next(lease)
      expect(own).toMatchObject({ eventType: 'FORGET', manifest })
      await test.store.apply(lease, own.place, { kind: 'forget' }, NO_EMISSIONS)
      expect(await test.next(lease)).toMatchObject({ phase: 'network', manifest })
      await test.store.finish(lease, own.place, NO_EMISSIONS)
      expect(await test.next(lease)).toMatchObject({ eventType: 'FORGET', manifest, source: PEER })
    })

    it('accepts nothing at all', async () => {
      expect(await test.store.accept([])).toEqual({ places: [], repeated: false })
      expect(await test.store.takeLanes('worker', 1000, 1)).toEqual([])
    })

    it('changes nothing for a key that was seen, until its time is over', async () => {
      const once = { key: 'k', until: START + 1000 }
      const first = await test.store.accept([arrivalOf(bundleOf(dataset('a')))], once)
      const other = [arrivalOf(bundleOf(dataset('b'))), arrivalOf(bundleOf(dataset('c')))]
      expect(await test.store.accept(other, once)).toEqual({ places: first.places, repeated: true })
      expect((await test.store.inboxState()).pending).toBe(1)
      test.now += 1001
      expect((await test.store.accept(other, { key: 'k', until: test.now + 1000 })).repeated).toBe(false)
      expect((await test.store.inboxState()).pending).toBe(3)
    })

    it('takes a key once of many at the same time', async () => {
      const once = { key: 'k', until: START + 1000 }
      const answers = await Promise.all(
        [1, 2, 3].map(() => test.store.accept([arrivalOf(bundleOf(dataset('a')))], once)),
      )
      expect(answers.map((answer) => answer.repeated).sort()).toEqual([false, true, true])
      expect(new Set(answers.map((answer) => answer.places[0])).size).toBe(1)
      expect((await test.store.inboxState()).pending).toBe(1)
    })
  })

  describe('our own knowledge', () => {
    it('is stamped with the time now, and hashed', async () => {
      const rid = dataset('own')
      const contents = contentsOf({ name: 'own' })
      await test.store.accept([{ rid, eventType: 'NEW', contents }])
      const { manifest } = await test.next(await test.lease())
      expect(manifest).toEqual(bundleOf(rid, { name: 'own' }, new Date(START).toISOString()).manifest)
    })

    it('is stamped later each time: in one moment, when the clock goes back, and after a FORGET', async () => {
      const rid = dataset('own')
      const contents = contentsOf({ name: 'own' })
      const stamps: string[] = []
      await test.store.accept([
        { rid, eventType: 'NEW', contents },
        { rid, eventType: 'NEW', contents },
      ])
      test.now -= 60_000
      await test.store.accept([{ rid, eventType: 'FORGET' }])
      await test.store.accept([{ rid, eventType: 'NEW', contents }])
      test.now += 60_000
      const lease = await test.lease()
      for (let index = 0; index < 4; index++) {
        const arrival = await test.next(lease)
        if (arrival.manifest !== undefined) stamps.push(arrival.manifest.timestamp)
        await test.store.finish(lease, arrival.place, { arrivals: [], sends: [] })
      }
      const micros = stamps.map((stamp) => parseTimestamp(stamp) - BigInt(START) * 1000n)
      expect(micros).toEqual([0n, 1n, 2n])
    })

    it('is stamped later than a manifest of our own making', async () => {
      const bundle = bundleOf(dataset('own'), { name: 'own' }, '2030-01-01T00:00:00Z')
      await test.store.accept([
        { rid: dataset('own'), manifest: bundle.manifest, contents: bundle.contents },
        { rid: dataset('own'), contents: bundle.contents },
      ])
      const lease = await test.lease()
      const first = await test.next(lease)
      expect(first.manifest).toEqual(bundle.manifest)
      await test.store.finish(lease, first.place, { arrivals: [], sends: [] })
      const second = await test.next(lease)
      expect(compareTimestamps(second.manifest!.timestamp, bundle.manifest.timestamp)).toBeGreaterThan(0)
    })

    it('alone is stamped: what a peer sends without a manifest stays without', async () => {
      await test.store.accept([{ rid: dataset('a'), contents: contentsOf({ a: 1 }), source: PEER }])
      const arrival = await test.next(await test.lease())
      expect(arrival.manifest).toBeUndefined()
    })
  })
}
