import { describe, expect, it } from 'vitest'
import { LeaseLostError } from '@koi-mcp/core'
import type { NamedLease } from '@koi-mcp/core'
import { contentsOf } from '@koi-mcp/protocol'
import { arrivalOf, bundleOf, dataset, LEASE_MS, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

export function describeLeases(test: StoreUnderTest): void {
  const take = (owner: string, name = 'work') => test.store.takeLease(name, owner, LEASE_MS)
  const taken = async (owner: string, name?: string): Promise<NamedLease> => {
    const lease = await take(owner, name)
    if (lease === undefined) throw new Error(`${owner} does not get the lease`)
    return lease
  }

  describe('named leases', () => {
    it('have one owner at a time, each name its own', async () => {
      const lease = await taken('one')
      expect(lease).toMatchObject({ name: 'work', owner: 'one' })
      expect(await take('two')).toBeUndefined()
      expect((await taken('two', 'other')).token).not.toBe(lease.token)
      expect(await take('two')).toBeUndefined()
    })

    it('are renewed by who holds them, under the same token', async () => {
      const lease = await taken('one')
      test.now += LEASE_MS - 1
      expect(await take('one')).toEqual(lease)
      test.now += LEASE_MS - 1
      expect(await take('two')).toBeUndefined()
      test.now += 1
      expect((await taken('two')).token).toBeGreaterThan(lease.token)
      expect(await take('one')).toBeUndefined()
    })

    it('are given back, and taken by the next under a greater token', async () => {
      const first = await taken('one')
      await test.store.releaseLease(first)
      await test.store.releaseLease(first)
      const second = await taken('two')
      expect(second.token).toBeGreaterThan(first.token)
      // Lost already: of another, and of its own in an earlier life.
      await test.store.releaseLease(first)
      await test.store.releaseLease({ ...second, token: first.token })
      expect(await take('one')).toBeUndefined()
      await test.store.releaseLease(second)
      expect((await taken('two')).token).toBeGreaterThan(second.token)
    })

    it('taken anew by the same owner after they ran out have a greater token', async () => {
      const first = await taken('one')
      test.now += LEASE_MS
      expect((await taken('one')).token).toBeGreaterThan(first.token)
    })

    it('let accept in who holds them, and nobody who has lost them', async () => {
      const own = { rid: dataset('own'), eventType: 'NEW', contents: contentsOf({ a: 1 }) } as const
      const told = arrivalOf(bundleOf(dataset('a')))
      const lease = await taken('one')
      expect((await test.store.accept([own, told], undefined, lease)).places).toHaveLength(2)
      expect((await test.store.accept([told], undefined, lease)).places).toHaveLength(1)
      const once = { key: 'k', until: START + 1_000_000 }
      const first = await test.store.accept([own], once, lease)
      test.now += LEASE_MS
      const refused = async () => {
        for (const arrivals of [[own], [told], []])
          await expect(test.store.accept(arrivals, undefined, lease)).rejects.toThrow(LeaseLostError)
        await expect(test.store.accept([own], once, lease)).rejects.toThrow(LeaseLostError)
      }
      // Run out, and nobody's; then another's; then that owner's again.
      await refused()
      const next = await taken('two')
      await refused()
      await test.store.releaseLease(next)
      const again = await taken('one')
      await refused()
      expect((await test.store.inboxState()).pending).toBe(4)
      expect(await test.store.accept([own], once, again)).toEqual({ places: first.places, repeated: true })
    })

    it('are nothing to lanes of the same name', async () => {
      await test.store.accept([arrivalOf(bundleOf(dataset('a')))])
      await taken('one', dataset('a'))
      expect((await test.lease('two')).lane).toBe(dataset('a'))
    })
  })
}
