import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { LeaseLostError } from '../store/node-store.ts'
import type { HeldShare } from './held-share.ts'
import type { Share } from './share.ts'
import { SourceShares } from './source-shares.ts'
import { LeaseWorld, partsOf, settled } from './testing/lease-world.ts'

const LEASE_MS = 6_000
const BEAT_MS = LEASE_MS / 3

const replica = (world: LeaseWorld, owner: string, parts = 12): SourceShares =>
  new SourceShares({ store: world.store, source: 'test', parts, leaseMs: LEASE_MS, owner, clock: world.clock })

/** All beat, and time passes, so many times. */
async function beats(world: LeaseWorld, replicas: readonly SourceShares[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    world.now += BEAT_MS
    for (const each of replicas) await each.beat()
    await settled()
  }
}

const sizes = (replicas: readonly SourceShares[]): number[] => replicas.map(({ held }) => held.length)

describe('SourceShares', () => {
  it('give everything to one replica at once', async () => {
    const one = replica(new LeaseWorld(), 'one')
    const onGained = vi.fn()
    await one.start({ onGained, onLost: () => Promise.resolve() })
    expect(one.held).toHaveLength(12)
    expect(onGained).toHaveBeenCalledOnce()
    expect(one.of('any key')).toBeDefined()
    await one.stop()
    expect(one.of('any key')).toBeUndefined()
  })

  it('are fair to all, whoever joins and leaves', async () => {
    const world = new LeaseWorld()
    const [one, two, three] = [replica(world, 'one'), replica(world, 'two'), replica(world, 'three')]
    await beats(world, [one], 1)
    await beats(world, [one, two], 2)
    expect(sizes([one, two])).toEqual([6, 6])
    await beats(world, [one, two, three], 2)
    expect(sizes([one, two, three])).toEqual([4, 4, 4])
    await two.stop()
    await beats(world, [one, three], 1)
    expect(sizes([one, three])).toEqual([6, 6])
    const parts = [one, three].flatMap(partsOf)
    expect(new Set(parts).size).toBe(12)
    const mine = (shares: SourceShares): string[] =>
      Array.from({ length: 100 }, (_, index) => `key ${index}`).filter((key) => shares.of(key) !== undefined)
    expect(mine(one).length + mine(three).length).toBe(100)
  })

  it('of a replica that dies go to the others within two leases', async () => {
    const world = new LeaseWorld()
    const [one, two] = [replica(world, 'one'), replica(world, 'two')]
    await beats(world, [one], 1)
    await beats(world, [one, two], 3)
    await beats(world, [two], 6)
    expect(two.held).toHaveLength(12)
    expect([...world.values.keys()]).toEqual(['sources/test/replicas/two'])
  })

  it('leave those without work that are more than the parts', async () => {
    const world = new LeaseWorld()
    const many = ['a', 'b', 'c', 'd', 'e'].map((owner) => replica(world, owner, 3))
    await beats(world, many, 3)
    expect(sizes(many)).toEqual([1, 1, 1, 0, 0])
  })

  it('are given to another only when the work on them has ended', async () => {
    const world = new LeaseWorld()
    const [one, two] = [replica(world, 'one'), replica(world, 'two')]
    const ending: { share: Share; end: () => void }[] = []
    await one.start({
      onGained: () => undefined,
      onLost: (share) => new Promise((end) => ending.push({ share, end })),
    })
    await beats(world, [two, one], 1)
    expect(sizes([one, two])).toEqual([6, 0])
    expect(ending.map(({ share }) => share.signal.aborted)).toEqual(Array(6).fill(true))
    await beats(world, [two, one], 1)
    expect(sizes([one, two])).toEqual([6, 0])
    for (const { end } of ending.splice(0)) end()
    await settled()
    await beats(world, [two, one], 1)
    expect(sizes([one, two])).toEqual([6, 6])
    const stopped = one.stop()
    await vi.waitFor(() => expect(ending).toHaveLength(6))
    for (const { end } of ending) end()
    await stopped
  })

  it('are over before the lease can be where the store does not answer, and are taken again', async () => {
    const world = new LeaseWorld()
    const one = replica(world, 'one')
    const lost: Share[] = []
    const onGained = vi.fn()
    await one.start({ onGained, onLost: (share) => Promise.resolve(void lost.push(share)) })
    const share = one.of('key')!
    const { lease } = share as HeldShare
    world.down = true
    world.now += LEASE_MS - 1_000
    expect(world.holds(lease)).toBe(true)
    expect(one.of('key')).toBeUndefined()
    expect(one.held).toEqual([])
    await expect(share.write(world.write)).rejects.toThrow(LeaseLostError)
    expect(share.signal.aborted).toBe(true)
    await one.beat()
    expect(lost).toHaveLength(12)
    world.down = false
    await beats(world, [one], 1)
    expect(one.held).toHaveLength(12)
    expect(onGained).toHaveBeenCalledTimes(2)
    expect((one.of('key') as HeldShare).lease.token).toBeGreaterThan(lease.token)
    await one.stop()
  })

  it('are over at the first write that is refused', async () => {
    const world = new LeaseWorld()
    const one = replica(world, 'one')
    await one.beat()
    const share = one.of('key') as HeldShare
    expect(await share.write(world.write)).toBe(share.lease.name)
    await expect(share.write(() => Promise.reject(new Error('disk full')))).rejects.toThrow('disk full')
    expect(one.of('key')).toBe(share)
    // As where this clock stood still while the store's went on.
    await world.store.releaseLease(share.lease)
    await expect(share.write(world.write)).rejects.toThrow(LeaseLostError)
    expect(one.of('key')).toBeUndefined()
    expect(share.signal.aborted).toBe(true)
  })

  it('that another may have had meanwhile are not gone on with', async () => {
    const world = new LeaseWorld()
    const one = replica(world, 'one')
    await one.beat()
    const share = one.of('key') as HeldShare
    await world.store.releaseLease(share.lease)
    await one.beat()
    expect(share.signal.aborted).toBe(true)
    await settled()
    await one.beat()
    expect((one.of('key') as HeldShare).lease.token).toBeGreaterThan(share.lease.token)
  })

  it('hold one another off whatever happens, and are all held and fair when it is quiet', async () => {
    const index = fc.nat({ max: 99 })
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('beat'), index }) },
      { weight: 12, arbitrary: fc.record({ do: fc.constant('arrive'), index }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('arrive all'), index }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), index }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('join', 'die', 'leave', 'write', 'outage'), index }) },
    )
    const runs = Number(process.env['HISTORIES'] ?? 300)
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.integer({ min: 1, max: 7 }),
        async (steps, parts) => {
          const world = new LeaseWorld()
          let joined = 0
          const join = (): SourceShares => replica(world, `r${(joined += 1)}`, parts)
          let alive = [join(), join()]
          const beating = new Set<SourceShares>()
          const ends: Promise<void>[] = []
          const held = new Set<Share>()
          const over = new Set<Share>()
          for (const { do: what, index } of steps) {
            world.open = false
            const one = alive[index % alive.length]
            if (what === 'pass') world.now += index * 50
            else if (what === 'outage') world.down = index < 50
            else if (what === 'join') alive.push(join())
            else if (what === 'arrive' && world.waiting > 0) await world.arrive(index)
            else if (what === 'arrive all') await world.arriveAll()
            else if (one !== undefined) {
              if (what === 'beat' && !beating.has(one)) {
                beating.add(one)
                ends.push(one.beat().finally(() => beating.delete(one)))
              }
              // What a dead one asked of the store before may still arrive there.
              if (what === 'die' || what === 'leave') alive = alive.filter((each) => each !== one)
              if (what === 'leave') ends.push(one.stop())
              if (what === 'write') {
                const share = one.held[0]
                ends.push(share?.write(world.write).then(noop, noop) ?? Promise.resolve())
              }
            }
            await settled()
            // Of those that slept all the while, and wake only now, too.
            const now = new Set(alive.flatMap((each) => each.held))
            for (const share of now) expect(world.holds((share as HeldShare).lease)).toBe(true)
            for (const share of held) if (!now.has(share)) over.add(share)
            expect([...now].filter((share) => over.has(share))).toEqual([])
            for (const share of now) held.add(share)
          }
          world.down = false
          await world.arriveAll()
          await Promise.all(ends)
          await beats(world, alive, 7)
          if (alive.length === 0) return
          expect(alive.flatMap(partsOf).sort((a, b) => a - b)).toEqual(Array.from({ length: parts }, (_, part) => part))
          expect(Math.max(...sizes(alive)) - Math.min(...sizes(alive))).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: runs },
    )
  })
})

const noop = (): void => undefined
