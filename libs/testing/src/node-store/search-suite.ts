import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import { bundleOf, dataset } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

/** Suites compare what is found, not the rank. */
const DOCUMENTS: Readonly<Record<string, object | string>> = {
  planets: { name: 'Planets of the Solar System', columns: [{ name: 'Müller', type: 'VARCHAR' }], rows: 8 },
  Straße: { description: 'Der große Fluß', location: '/data/flüsse_2024.csv' },
  tokyo: { name: '東京都の人口', note: 'カタカナ' },
  hangul: { name: '서울 인구' },
  numbers: '{"price":19.95,"big":12345678901234567890,"flag":true,"nothing":null}',
  escaped: '{"text":"tab\\there \\u0000 \\"quoted\\" \\u00e9t\\u00e9"}',
}

export function describeSearch(test: StoreUnderTest): void {
  describe('search', () => {
    const found = async (query: string, types?: string[]): Promise<string[]> => {
      const page = await test.store.search(query, { ...(types === undefined ? {} : { types }), limit: 100 })
      expect(page.total).toBe(page.hits.length)
      return page.hits.map((hit) => hit.rid.slice('orn:data-catalog.dataset:'.length)).sort()
    }
    const fill = async () => {
      for (const [reference, contents] of Object.entries(DOCUMENTS)) {
        await test.put(bundleOf(dataset(reference), contents))
      }
    }

    it('finds what has all words, by value and by RID, whatever the case and accents', async () => {
      await fill()
      const expected: Record<string, string[]> = {
        'solar planets': ['planets'],
        'SOLAR muller': ['planets'],
        'solar moon': [],
        strasse: ['Straße'],
        'STRASSE fluss': ['Straße'],
        'flusse 2024': ['Straße'],
        ete: ['escaped'],
        'quoted here': ['escaped'],
        dataset: Object.keys(DOCUMENTS).sort(),
        'VARCHAR 8': ['planets'],
        '19.95': ['numbers'],
        '12345678901234567890': ['numbers'],
        '': [],
        ' .,;"*() ': [],
      }
      for (const [query, hits] of Object.entries(expected)) expect([query, await found(query)]).toEqual([query, hits])
    })

    it('takes the last word as a prefix, the others whole', async () => {
      await fill()
      expect(await found('pla')).toEqual(['planets'])
      expect(await found('pla solar')).toEqual([])
      expect(await found('solar pla')).toEqual(['planets'])
    })

    it('finds within words of scripts without spaces', async () => {
      await fill()
      for (const query of ['東京', '京都', '京', '人口', '東京 人口', 'ｶﾀｶﾅ', 'カナ']) {
        expect([query, await found(query)]).toEqual([query, ['tokyo']])
      }
      expect(await found('都東')).toEqual([])
      expect(await found('인구 서울')).toEqual(['hangul'])
      expect(await found('서')).toEqual(['hangul'])
    })

    it('does not search keys, nor take a query for more than words', async () => {
      await fill()
      for (const query of ['columns', 'solar OR moon', 'NOT solar', 'name:solar', 'tokens : moon', 'solar*x', '"']) {
        expect([query, await found(query)]).toEqual([query, []])
      }
    })

    it('follows changes', async () => {
      await test.put(bundleOf(dataset('a'), { text: 'alpha shared' }))
      await test.put(bundleOf(dataset('b'), { text: 'beta shared' }))
      await test.put(bundleOf(dataset('a'), { text: 'gamma shared' }), [], 'UPDATE')
      expect(await found('alpha')).toEqual([])
      expect(await found('gamma')).toEqual(['a'])
      expect(await found('shared')).toEqual(['a', 'b'])
      await test.forget(dataset('a'))
      expect(await found('shared')).toEqual(['b'])
    })

    it('counts all, gives pages, and keeps to the types asked for', async () => {
      for (let index = 0; index < 5; index++) await test.put(bundleOf(dataset(`d${index}`), { text: 'word' }))
      await test.put(bundleOf(asRid('orn:data-catalog.schema:s'), { text: 'word' }))
      const pages = await Promise.all([0, 2, 4, 6].map((offset) => test.store.search('word', { limit: 2, offset })))
      expect(pages.map((page) => [page.total, page.hits.length])).toEqual([
        [6, 2],
        [6, 2],
        [6, 2],
        [6, 0],
      ])
      expect(new Set(pages.flatMap((page) => page.hits.map((hit) => hit.rid))).size).toBe(6)
      const typed = await test.store.search('word', { types: ['orn:data-catalog.schema'] })
      expect(typed.hits.map((hit) => hit.rid)).toEqual(['orn:data-catalog.schema:s'])
      expect(typed.total).toBe(1)
    })

    it('ranks the better one first', async () => {
      await test.put(bundleOf(dataset('a'), { text: `word ${'other '.repeat(200)}` }))
      await test.put(bundleOf(dataset('b'), { text: 'word word' }))
      const { hits } = await test.store.search('word')
      expect(hits.map((hit) => hit.rid)).toEqual([dataset('b'), dataset('a')])
      expect(hits[0]!.score).toBeGreaterThan(hits[1]!.score)
    })

    it('shows the text around the match', async () => {
      const text = `${'before '.repeat(100)}the Needle here${' after'.repeat(100)}`
      await test.put(bundleOf(dataset('a'), { first: 'something else', text }))
      const [hit] = (await test.store.search('needle')).hits
      expect(hit?.snippet).toContain('the Needle here after')
      expect(hit?.snippet.length).toBeLessThanOrEqual(200)
    })
  })
}
