import { describe, expect, it } from 'vitest'
import { StoreError } from '@koi-mcp/core'
import { bundleOf, dataset } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export function describeValues(test: StoreUnderTest): void {
  describe('values', () => {
    it('are set, changed, removed and listed by prefix', async () => {
      for (const key of ['a/2', 'a/1', 'ab', 'b/%', 'b/_']) await test.store.setValue(key, `value of ${key}`)
      await test.store.setValue('a/2', 'changed \u0000 🜁')
      await test.store.setValue('ab', undefined)
      await test.store.setValue('never', undefined)
      expect(await test.store.getValue('a/2')).toBe('changed \u0000 🜁')
      expect(await test.store.getValue('ab')).toBeUndefined()
      expect(await test.store.getValue('A/2')).toBeUndefined()
      expect([...(await test.store.listValues('a/'))]).toEqual([
        ['a/1', 'value of a/1'],
        ['a/2', 'changed \u0000 🜁'],
      ])
      expect([...(await test.store.listValues('b/%')).keys()]).toEqual(['b/%'])
      expect((await test.store.listValues('')).size).toBe(4)
    })

    it('are claimed by the first of those who try at once', async () => {
      const claims = ['one', 'two', 'three'].map((value) => test.store.claimValue('claimed', value))
      const [first, ...others] = await Promise.all(claims)
      expect(['one', 'two', 'three']).toContain(first)
      expect(others).toEqual([first, first])
      await test.store.setValue('claimed', 'changed')
      expect(await test.store.claimValue('claimed', 'late')).toBe('changed')
      expect(await test.store.getValue('claimed')).toBe('changed')
      await test.store.setValue('claimed', undefined)
      expect(await test.store.claimValue('claimed', 'anew')).toBe('anew')
    })
  })

  describe('close', () => {
    it('finishes what was asked for, refuses what comes after, and may be called again', async () => {
      const asked = [test.store.setValue('k', 'v'), test.store.accept([{ rid: dataset('a'), source: undefined }])]
      await test.store.close()
      await expect(Promise.all(asked)).resolves.toHaveLength(2)
      await expect(test.store.setValue('k', 'w')).rejects.toThrow(StoreError)
      await expect(test.store.read(bundleOf(dataset('a')).manifest.rid)).rejects.toThrow(StoreError)
      await test.store.close()
    })
  })
}
