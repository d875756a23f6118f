import { describe, expect, it } from 'vitest'
import { NO_EMISSIONS } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { bundleOf, dataset, PEER } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

/** Texts that a parse and a print would change; each must come back to the byte. */
const STUBBORN_CONTENTS = [
  '{"float":1.0,"negative":-0.0,"exponent":1e+16,"small":1.5e-6}',
  '{"big":12345678901234567890123,"bigger":-98765432109876543210}',
  '{"b":1,"10":2,"2":3,"a":4}',
  '{"__proto__":{"polluted":true},"constructor":1}',
  '{"nul":"a\\u0000b","control":"\\u0001\\u001f","":"empty key"}',
  '{"astral":"𝔘🜁","line":"\u2028","delete":"\u007f","quote":"\\"\\\\"}',
]

export function describeCache(test: StoreUnderTest): void {
  describe('cache', () => {
    it('writes, overwrites and forgets, giving back what was there', async () => {
      const rid = dataset('a')
      const first = bundleOf(rid, { v: 1 })
      const second = bundleOf(rid, { v: 2 })
      const seq = await test.put(first, [], 'NEW', PEER)
      expect(await test.store.read(rid)).toMatchObject({ rid, seq, origin: PEER, bundle: { manifest: first.manifest } })
      await test.put(second, [], 'UPDATE')
      const stored = await test.store.read(rid)
      expect(stored?.bundle.contents.value).toEqual({ v: 2 })
      expect(stored?.origin).toBeUndefined()
      await test.store.accept([{ rid, eventType: 'FORGET' }])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const { previous } = await test.store.apply(lease, place, { kind: 'forget' }, NO_EMISSIONS)
      expect(previous?.manifest).toEqual(second.manifest)
      expect(await test.store.read(rid)).toBeUndefined()
      expect((await test.next(lease)).applied?.previous?.contents.text).toBe(second.contents.text)
    })

    it.each(STUBBORN_CONTENTS)('keeps contents to the byte: %s', async (text) => {
      const bundle = bundleOf(dataset('a'), text)
      await test.put(bundle, [PEER])
      const stored = await test.store.read(dataset('a'))
      expect(stored?.bundle.contents.text).toBe(text)
      expect(stored?.bundle.contents.value).toEqual(JSON.parse(text))
      expect(stored?.bundle.manifest).toEqual(bundle.manifest)
      expect((await test.store.listBundles())[0]?.bundle.contents.text).toBe(text)
      const batch = await test.store.takeDeliveries(PEER, { owner: 'd', leaseMs: 1000, limit: 0 })
      expect(batch?.eventTexts[0]?.endsWith(`"contents":${text}}`)).toBe(true)
    })

    it('reads many in the order asked, missing ones left out', async () => {
      for (const reference of ['a', 'b', 'c']) await test.put(bundleOf(dataset(reference), { reference }))
      const asked = ['c', 'x', 'a'].map(dataset)
      expect((await test.store.readMany(asked)).map((one) => one.rid)).toEqual([dataset('c'), dataset('a')])
      expect(await test.store.readManifests(asked)).toEqual([
        bundleOf(dataset('c'), { reference: 'c' }).manifest,
        bundleOf(dataset('a'), { reference: 'a' }).manifest,
      ])
      expect(await test.store.readMany([])).toEqual([])
    })

    it('tells RIDs apart byte for byte', async () => {
      const references = ['a', 'A', 'é', 'e\u0301', 'a ', 'a%20', 'a/../a', 'x'.repeat(400)]
      for (const [index, reference] of references.entries()) await test.put(bundleOf(dataset(reference), { index }))
      const stored = await test.store.readMany(references.map(dataset))
      expect(stored.map((one) => one.bundle.contents.value['index'])).toEqual(references.map((_, index) => index))
    })

    it('lists in the order of UTF-8 bytes, page by page, by type', async () => {
      // UTF-16 would put the astral letter before U+FFFD; a type that begins with another's name is no neighbour of it.
      const rids = [
        'orn:t.a:1',
        'orn:t.a:10',
        'orn:t.a:9',
        'orn:t.a:\ufffd',
        'orn:t.a:𝔘',
        'orn:t.a.b:1',
        'https://x',
        'Z:1',
      ]
      for (const rid of rids) await test.put(bundleOf(asRid(rid)))
      const sorted = [...rids].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      expect(await test.store.listRids()).toEqual(sorted)
      for (const types of [[], ['orn:t.a'], ['orn:t.a', 'https', 'orn:t.a.b', 'https'], ['orn:none']]) {
        const expected = sorted.filter((rid) => types.length === 0 || types.some((type) => rid.startsWith(`${type}:`)))
        expect(await test.store.listRids({ types })).toEqual(expected)
        const paged: Rid[] = []
        let page = await test.store.listRids({ types, limit: 2 })
        while (page.length > 0) {
          expect(page.length).toBeLessThanOrEqual(2)
          const same = await test.store.listBundles({ types, limit: 2, after: paged.at(-1) })
          expect(same.map((one) => one.rid)).toEqual(page)
          paged.push(...page)
          page = await test.store.listRids({ types, limit: 2, after: page.at(-1) })
        }
        expect(paged).toEqual(expected)
      }
      expect(await test.store.listRids({ limit: 0 })).toEqual([])
      expect(await test.store.countByType()).toEqual(
        new Map([
          ['Z', 1],
          ['https', 1],
          ['orn:t.a', 5],
          ['orn:t.a.b', 1],
        ]),
      )
    })
  })

  describe('change log', () => {
    it('follows the cache in order', async () => {
      expect(await test.store.lastChange()).toBe(0)
      const rid = dataset('a')
      const seqs = [await test.put(bundleOf(rid), [], 'NEW', PEER), await test.put(bundleOf(dataset('b')))]
      seqs.push(await test.put(bundleOf(rid, { v: 2 }), [], 'UPDATE', PEER), await test.forget(rid))
      expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
      expect(await test.store.lastChange()).toBe(seqs.at(-1))
      const changes = await test.store.changesAfter(seqs[1]!, 10)
      expect(changes).toEqual([
        { seq: seqs[2], rid, eventType: 'UPDATE', origin: PEER },
        { seq: seqs[3], rid, eventType: 'FORGET', origin: PEER },
      ])
      expect((await test.store.changesAfter(seqs[0]!, 1)).map((change) => change.seq)).toEqual([seqs[1]])
      expect(await test.store.changesAfter(seqs.at(-1)!, 10)).toEqual([])
    })

    it('does not grow when what is forgotten was not there', async () => {
      await test.put(bundleOf(dataset('a')))
      const before = await test.store.lastChange()
      expect(await test.forget(dataset('b'))).toBe(before)
      expect(await test.store.lastChange()).toBe(before)
    })

    it('wakes those who follow, until they have had enough', async () => {
      const wakes: object[] = []
      const stop = test.store.onWake((wake) => wakes.push({ ...wake }))
      await test.put(bundleOf(dataset('a')), [PEER])
      expect(wakes).toContainEqual(expect.objectContaining({ inbox: true }))
      expect(wakes).toContainEqual(expect.objectContaining({ changes: true }))
      expect(wakes).toContainEqual(expect.objectContaining({ outbox: true }))
      stop()
      wakes.length = 0
      await test.put(bundleOf(dataset('b')), [PEER])
      expect(wakes).toEqual([])
    })

    it('wakes again when a lane with work is given back', async () => {
      await test.store.accept([{ rid: dataset('a'), source: PEER }])
      const lease = await test.lease()
      const wakes: object[] = []
      test.store.onWake((wake) => wakes.push({ ...wake }))
      await test.store.releaseLane(lease)
      expect(wakes).toContainEqual(expect.objectContaining({ inbox: true }))
    })
  })
}
