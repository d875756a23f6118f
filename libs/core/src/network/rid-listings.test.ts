import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { RidListings } from './rid-listings.ts'

const ALL = Number.POSITIVE_INFINITY

/** RIDs in a list, and a cache that changes when the test says so. */
function setup(rids: readonly string[]) {
  const held = { rids: rids.map((rid) => asRid(rid)), seq: 1, lists: 0 }
  const listings = new RidListings({
    lastChange: () => Promise.resolve(held.seq),
    listRids: ({ after = '' as Rid, limit = 0 } = {}) => {
      held.lists += 1
      return Promise.resolve(held.rids.filter((rid) => rid > after).slice(0, limit))
    },
  })
  return { held, listings }
}

const many = Array.from({ length: 2_500 }, (_, index) => `orn:test.note:${String(index).padStart(5, '0')}`)

describe('listings of RIDs', () => {
  it('are the inside of a JSON array, page by page', async () => {
    const odd = 'orn:test.note:~"quoted" \\ ünï\n'
    const { listings } = setup([...many, odd])
    const { text, count, whole } = await listings.of([], ALL)
    expect(JSON.parse(`[${text}]`)).toEqual([...many, odd])
    expect({ count, whole }).toEqual({ count: 2_501, whole: true })
    expect(await setup([]).listings.of([], ALL)).toEqual({ text: '', count: 0, whole: true })
  })

  it('are kept until the cache changes, for each set of types', async () => {
    const { held, listings } = setup(['orn:a:1'])
    expect((await listings.of(['orn:a', 'orn:b'], ALL)).text).toBe('"orn:a:1"')
    expect((await listings.of(['orn:b', 'orn:a'], ALL)).text).toBe('"orn:a:1"')
    expect(held.lists).toBe(1)
    await listings.of(['orn:b'], ALL)
    expect(held.lists).toBe(2)
    held.rids.push(asRid('orn:a:2'))
    held.seq += 1
    expect((await listings.of(['orn:a', 'orn:b'], ALL)).text).toBe('"orn:a:1","orn:a:2"')
  })

  it('are made once for those who ask at the same time, and anew for who asks after a change', async () => {
    const { held, listings } = setup(many)
    const [first, second] = [listings.of([], ALL), listings.of([], ALL)]
    await Promise.resolve()
    await Promise.resolve()
    held.rids.unshift(asRid('orn:test.aaa:behind the place that was reached'))
    held.seq += 1
    const third = listings.of([], ALL)
    expect((await first).text).toBe((await second).text)
    expect((await third).count).toBe(2_501)
    expect(held.lists).toBe(6)
  })

  it('end where they grow too long, and are not kept when they failed', async () => {
    const { held, listings } = setup(many)
    expect(await listings.of([], 1_000)).toMatchObject({ count: 1_000, whole: false })
    const rids = held.rids
    Object.defineProperty(held, 'rids', {
      configurable: true,
      get: () => {
        throw new Error('away')
      },
    })
    await expect(listings.of([], ALL)).rejects.toThrow('away')
    Object.defineProperty(held, 'rids', { value: rids })
    expect((await listings.of([], ALL)).count).toBe(2_500)
  })
})
