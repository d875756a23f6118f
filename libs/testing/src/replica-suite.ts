import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LeaseLostError, NO_EMISSIONS } from '@koi-mcp/core'
import type { CacheChange, Clock, DeliveryBatch, LaneLease, NewArrival, NodeStore } from '@koi-mcp/core'
import { asRid, contentsOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import {
  arrivalOf,
  bundleOf,
  dataset,
  eventOf,
  LEASE_MS,
  OTHER_PEER,
  PEER,
  START,
} from './node-store/store-under-test.ts'
import { describeShares } from './shares-suite.ts'

/** What the suite needs of an implementation that several processes share. */
export interface ReplicaSubject {
  /** Two stores on the same empty state, as two replicas of a node have them. */
  open(clock: Clock): Promise<readonly [NodeStore, NodeStore]>
  /** How many transactions were given up because they waited for each other; absent: the implementation cannot tell. */
  deadlocks?(): Promise<number>
}

const SECONDS = 60_000

/** What holds when two replicas work on one state at the same time. */
export function describeReplicas(name: string, subject: ReplicaSubject): void {
  describe(`replicas: ${name}`, () => {
    let now: number
    let stores: readonly [NodeStore, NodeStore]
    let one: NodeStore
    let other: NodeStore
    beforeEach(async () => {
      now = START
      stores = await subject.open(() => now)
      ;[one, other] = stores
    })
    afterEach(async () => {
      await Promise.all(stores.map((store) => store.close()))
    })

    /** Works off everything that is due, as a replica does; returns the places in the order in which they were finished. */
    const workOff = async (
      store: NodeStore,
      owner: string,
      targets: readonly Rid[] = [],
      origin = PEER,
    ): Promise<number[]> => {
      const places: number[] = []
      for (;;) {
        const lease = await takeLane(store, owner, LEASE_MS)
        if (lease === undefined) return places
        for (;;) {
          const arrival = await store.nextArrival(lease)
          if (arrival === undefined) break
          const { place } = arrival
          places.push(place)
          if (place % 2 === 0) {
            // In one step, as where no handler waits.
            const announcement = { targets, asOf: Number.MAX_SAFE_INTEGER }
            const settled = await store.settle(lease, place, changeOf(arrival, origin), announcement, NO_EMISSIONS)
            if (settled?.more !== true) break
            continue
          }
          await store.apply(lease, place, changeOf(arrival, origin), NO_EMISSIONS)
          await store.announce(lease, place, targets, NO_EMISSIONS)
          await store.finish(lease, place, NO_EMISSIONS)
        }
        await store.releaseLane(lease)
      }
    }

    it('hold each lane one at a time', async () => {
      const rids = Array.from({ length: 40 }, (_, index) => dataset(`${index}`))
      await one.accept(rids.map((rid) => arrivalOf(bundleOf(rid))))
      const takers = Array.from({ length: 60 }, (_, index) => takeLane(stores[index % 2]!, `w${index}`, LEASE_MS))
      const first = (await Promise.all(takers)).filter((lease) => lease !== undefined)
      // Whoever met a lane at the moment when another took it may have come away with nothing.
      const rest = []
      for (let lease = await takeLane(other, 'rest', LEASE_MS); lease; lease = await takeLane(one, 'rest', LEASE_MS))
        rest.push(lease)
      const leases = [...first, ...rest]
      expect(leases.map(({ lane }) => lane).sort()).toEqual([...rids].sort())
      expect(new Set(leases.map(({ token }) => token)).size).toBe(rids.length)
      await Promise.all(leases.map((lease) => other.releaseLane(lease)))
      expect(await takeLane(one, 'next', LEASE_MS)).toBeDefined()
    })

    it('refuse what is written under a lease that the other has taken over', async () => {
      const bundle = bundleOf(dataset('a'))
      await one.accept([arrivalOf(bundle)])
      const stale = (await takeLane(one, 'w', LEASE_MS))!
      const { place } = (await one.nextArrival(stale))!
      now += LEASE_MS
      const lease = (await takeLane(other, 'w', LEASE_MS))!
      expect(lease.token).toBeGreaterThan(stale.token)
      const change = { kind: 'write', normalizedEventType: 'NEW', bundle } as const
      await expect(one.apply(stale, place, change, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
      await expect(one.finish(stale, place, NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
      await one.releaseLane(stale)
      await other.apply(lease, place, change, NO_EMISSIONS)
      await expect(one.announce(stale, place, [], NO_EMISSIONS)).rejects.toThrow(LeaseLostError)
      await other.finish(lease, place, NO_EMISSIONS)
      expect((await one.read(dataset('a')))?.bundle.contents.text).toBe(bundle.contents.text)
    })

    it('have a named lease one at a time, and accept nothing under one that the other has', async () => {
      const owners = Array.from({ length: 20 }, (_, index) => `owner-${index}`)
      const takes = owners.map((owner, index) => stores[index % 2]!.takeLease('work', owner, LEASE_MS))
      const [lease, ...more] = (await Promise.all(takes)).filter((taken) => taken !== undefined)
      expect(more).toEqual([])
      now += LEASE_MS
      const next = (await other.takeLease('work', 'next', LEASE_MS))!
      expect(next.token).toBeGreaterThan(lease!.token)
      const arrivals = [{ rid: dataset('a'), eventType: 'NEW', contents: contentsOf({ a: 1 }) }] as const
      await expect(one.accept(arrivals, undefined, lease)).rejects.toThrow(LeaseLostError)
      expect((await one.accept(arrivals, undefined, next)).places).toHaveLength(1)
    })

    it(
      'draw greater tokens each time a named lease changes its owner, whoever waited for it',
      async () => {
        const tokens: number[] = []
        const work = async (store: NodeStore, owner: string) => {
          for (let count = 0; count < 20;) {
            const lease = await store.takeLease('work', owner, LEASE_MS)
            if (lease === undefined) continue
            tokens.push(lease.token)
            count++
            await store.releaseLease(lease)
          }
        }
        await Promise.all([work(one, 'w1'), work(other, 'w2'), work(one, 'w3'), work(other, 'w4')])
        expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b))
        expect(tokens).toHaveLength(80)
      },
      SECONDS,
    )

    it('apply an envelope once that comes to both at the same time', async () => {
      for (let round = 0; round < 30; round++) {
        const once = { key: `k${round}`, until: START + 1000 }
        const arrivals = ['a', 'b', `${round}`].map((reference) => arrivalOf(bundleOf(dataset(reference))))
        const answers = await Promise.all(stores.map((store) => store.accept(arrivals, once)))
        expect(answers.map(({ repeated }) => repeated).sort()).toEqual([false, true])
        expect(answers[0]!.places).toEqual(answers[1]!.places)
      }
      expect((await one.inboxState()).pending).toBe(90)
    })

    it('stamp our own knowledge later each time, whichever of them is told it', async () => {
      const contents = contentsOf({ own: true })
      const rids = ['a', 'b'].map(dataset)
      const told = Array.from({ length: 20 }, (_, index) =>
        stores[index % 2]!.accept(rids.map((rid) => ({ rid, eventType: 'NEW' as const, contents }))),
      )
      await Promise.all(told)
      const stamps: string[] = []
      const lease = (await takeLane(one, 'w', LEASE_MS))!
      for (let arrival = await one.nextArrival(lease); arrival; arrival = await one.nextArrival(lease)) {
        stamps.push(arrival.manifest!.timestamp)
        await one.finish(lease, arrival.place, NO_EMISSIONS)
      }
      const micros = Array.from({ length: 20 }, (_, index) => (index === 0 ? '' : `.${String(index).padStart(6, '0')}`))
      expect(stamps).toEqual(micros.map((fraction) => `2026-01-01T00:00:00${fraction}Z`))
    })

    it(
      'never pass a change in the log that commits after a later one',
      async () => {
        const WRITERS = 12
        const EACH = 90
        let writing = true
        // As followers do: where a page is not full, they go on from the change that was the last one before they asked for it.
        const tail = async (store: NodeStore): Promise<number[]> => {
          const seen: number[] = []
          for (let cursor = 0, end = false; !end;) {
            end = !writing
            const last = await store.lastChange()
            const changes = await store.changesAfter(cursor, 50)
            seen.push(...changes.map(({ seq }) => seq))
            cursor = changes.length < 50 ? Math.max(cursor, seen.at(-1) ?? 0, last) : seen.at(-1)!
            end &&= changes.length === 0
          }
          return seen
        }
        const write = async (store: NodeStore, writer: number): Promise<number[]> => {
          const seqs: number[] = []
          for (let count = 0; count < EACH; count++) {
            const rid = dataset(`${writer}-${count % 5}`)
            await store.accept([arrivalOf(bundleOf(rid, { count }))])
            const lease = await takeLane(store, `w${writer}`, LEASE_MS)
            if (lease === undefined) continue
            const arrival = await store.nextArrival(lease)
            if (arrival !== undefined) {
              const { seq } = await store.apply(lease, arrival.place, changeOf(arrival), NO_EMISSIONS)
              seqs.push(seq)
              // Whoever has written finds the change at or before the last one.
              if (count % 20 === 0) expect(await store.lastChange()).toBeGreaterThanOrEqual(seq)
              await store.finish(lease, arrival.place, NO_EMISSIONS)
            }
            await store.releaseLane(lease)
          }
          return seqs
        }
        const tails = stores.map(tail)
        const writers = Array.from({ length: WRITERS }, (_, writer) => write(stores[writer % 2]!, writer))
        const written = (await Promise.all(writers).finally(() => (writing = false))).flat().sort((a, b) => a - b)
        expect(written.length).toBeGreaterThan(1000)
        for (const seen of await Promise.all(tails)) expect(seen).toEqual(written)
        expect(await one.lastChange()).toBe(written.at(-1))
      },
      SECONDS,
    )

    it(
      'settle nothing with an older network in mind than the one before it in the log',
      async () => {
        const settledAs: { asOf: number; seq: number }[] = []
        const network: number[] = []
        const work = async (store: NodeStore, owner: string) => {
          for (let cursor = 0, asOf = 0; ;) {
            const [taken] = await store.takeLanes(owner, LEASE_MS, 1)
            if (taken === undefined) return
            const { lease, first } = taken
            if (first.rid === PEER) {
              network.push((await store.apply(lease, first.place, changeOf(first), NO_EMISSIONS)).seq)
              await store.finish(lease, first.place, NO_EMISSIONS)
              await store.releaseLane(lease)
              continue
            }
            const changes = await store.changesAfter(cursor, 1000)
            cursor = changes.at(-1)?.seq ?? cursor
            asOf = changes.findLast(({ rid }) => rid === PEER)?.seq ?? asOf
            const announcement = { targets: [], asOf }
            if (await store.settle(lease, first.place, changeOf(first), announcement, NO_EMISSIONS))
              settledAs.push({ asOf, seq: (await store.read(first.rid))!.seq })
            else await store.releaseLane(lease)
          }
        }
        const rids = Array.from({ length: 200 }, (_, index) => (index % 4 === 0 ? PEER : dataset(`${index}`)))
        await one.accept(rids.map((rid) => arrivalOf(bundleOf(rid))))
        await Promise.all([0, 1, 2, 3, 4, 5].map((worker) => work(stores[worker % 2]!, `w${worker}`)))
        expect([network.length, settledAs.length]).toEqual([50, 150])
        const passedOver = settledAs.filter(({ asOf, seq }) => network.some((change) => change > asOf && change < seq))
        expect(passedOver).toEqual([])
      },
      SECONDS,
    )

    it(
      'end where one would that took all arrivals in the order of their places',
      async () => {
        const rids = Array.from({ length: 6 }, (_, index) => dataset(`${index}`))
        const accepted: { place: number; arrival: NewArrival }[] = []
        let feeding = true
        const feed = async (store: NodeStore, feeder: number) => {
          for (let count = 0; count < 25; count++) {
            const arrivals = rids
              .filter((_, index) => (count * 7 + feeder * 3 + index) % 4 !== 0)
              .map((rid, index) =>
                arrivalOf(bundleOf(rid, { feeder, count }), (count + index) % 5 === 0 ? 'FORGET' : 'NEW'),
              )
            const { places } = await store.accept(feeder % 2 === 0 ? arrivals : arrivals.toReversed())
            const inOrder = feeder % 2 === 0 ? arrivals : arrivals.toReversed()
            places.forEach((place, index) => accepted.push({ place, arrival: inOrder[index]! }))
          }
        }
        const work = async (store: NodeStore, owner: string) => {
          const places: number[] = []
          while (feeding || (await store.inboxState()).pending > 0)
            places.push(...(await workOff(store, owner, [PEER])))
          return places
        }
        const workers = [work(one, 'w1'), work(other, 'w2'), work(one, 'w3'), work(other, 'w4')]
        await Promise.all([0, 1, 2, 3].map((feeder) => feed(stores[feeder % 2]!, feeder))).finally(
          () => (feeding = false),
        )
        const finished = (await Promise.all(workers)).flat()
        expect(finished.sort((a, b) => a - b)).toEqual(accepted.map(({ place }) => place).sort((a, b) => a - b))
        const last = new Map(accepted.sort((a, b) => a.place - b.place).map(({ arrival }) => [arrival.rid, arrival]))
        const expected = [...last.values()].filter(({ eventType }) => eventType !== 'FORGET')
        const cached = await other.listBundles()
        expect(cached.map(({ rid, bundle }) => [rid, bundle.contents.text])).toEqual(
          expected.map(({ rid, contents }) => [rid, contents!.text]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
        )
        const events = await takeAll(one)
        const told = new Map(events.map((text) => [eventOf(text).rid, eventOf(text)]))
        expect([...told].map(([rid, { contents }]) => [rid, contents]).sort()).toEqual(
          rids
            .map((rid) => [rid, last.get(rid)?.eventType === 'FORGET' ? undefined : last.get(rid)?.contents?.text])
            .sort(),
        )
      },
      SECONDS,
    )

    it(
      'do not wait for each other in a circle',
      async () => {
        const before = await subject.deadlocks?.()
        const rids = Array.from({ length: 30 }, (_, index) => dataset(`${index}`))
        const some = (seed: number) =>
          rids.filter((_, index) => ((seed + 3) * (index + 7)) % 11 < 5).sort(() => Math.random() - 0.5)
        const feed = async (store: NodeStore, feeder: number) => {
          for (let count = 0; count < 15; count++) {
            const own = { eventType: 'NEW', contents: contentsOf({ count }) } as const
            await store.accept(
              some(feeder + count).map((rid) => (feeder % 2 === 0 ? { rid, ...own } : arrivalOf(bundleOf(rid)))),
            )
          }
        }
        const emit = async (store: NodeStore, owner: string) => {
          for (let count = 0; count < 25; count++) {
            const lease = await takeLane(store, owner, LEASE_MS)
            const arrival = lease && (await store.nextArrival(lease))
            if (lease === undefined) continue
            if (arrival !== undefined) {
              const sends = some(count).map((rid) => ({
                target: PEER,
                rid,
                eventType: 'NEW' as const,
                eventText: '{}',
              }))
              const emissions = { arrivals: some(count).map((rid) => ({ rid, source: PEER })), sends }
              await store.apply(lease, arrival.place, changeOf(arrival), emissions)
              await store.announce(lease, arrival.place, [PEER, dataset('x')], emissions)
              await store.finish(lease, arrival.place, emissions)
            }
            await store.releaseLane(lease)
          }
        }
        await one.accept(rids.map((rid) => arrivalOf(bundleOf(rid))))
        const feeders = [0, 1, 2, 3].map((feeder) => feed(stores[feeder >> 1]!, feeder))
        const emitters = [0, 1, 2, 3, 4, 5].map((emitter) => emit(stores[emitter % 2]!, `e${emitter}`))
        await Promise.all([...feeders, ...emitters])
        await Promise.all(stores.map((store) => store.close()))
        expect(await subject.deadlocks?.()).toBe(before)
      },
      SECONDS,
    )

    it('deliver to each target one at a time, and every event', async () => {
      const rids = Array.from({ length: 30 }, (_, index) => dataset(`${index}`))
      const delivered: string[] = []
      let working = true
      const deliver = async (store: NodeStore, owner: string) => {
        let under = 0
        while (working || (await store.dueTargets(1)).length > 0) {
          const batch = await store.takeDeliveries(PEER, { owner, leaseMs: LEASE_MS, limit: 3 })
          if (batch === undefined) continue
          expect(++under).toBe(1)
          expect(
            await other.takeDeliveries(PEER, { owner: 'third', leaseMs: LEASE_MS, limit: 1, ignoreDue: true }),
          ).toBeUndefined()
          delivered.push(...batch.rids)
          under--
          await store.deliveriesDone(batch)
        }
      }
      const deliveries = [deliver(one, 'd1'), deliver(other, 'd2')]
      await one.accept(rids.map((rid) => arrivalOf(bundleOf(rid))))
      await Promise.all([workOff(one, 'w1', [PEER]), workOff(other, 'w2', [PEER])]).finally(() => (working = false))
      await Promise.all(deliveries)
      expect(delivered.sort()).toEqual([...rids].sort())
      expect(await other.outboxState()).toEqual([])
    })

    it(
      'miss nothing for a target that one of them resumes while the other announces',
      async () => {
        for (let round = 0; round < 20; round++) {
          await one.accept([arrivalOf(bundleOf(dataset('old'), { round }))])
          await workOff(one, 'w', [PEER])
          expect(await one.lapseDeliveries(PEER, now)).toBe(1)
          await one.accept(Array.from({ length: 10 }, (_, index) => arrivalOf(bundleOf(dataset(`${round}-${index}`)))))
          const resume = async () => {
            await sleep(round % 5)
            await other.resumeDeliveries(PEER)
            const references = (await other.listRids()).map((rid) => ({ rid, eventType: 'NEW' as const }))
            await other.queueState(PEER, references, true)
          }
          // Not told by the peer itself, which would not be told of it.
          await Promise.all([workOff(one, 'w', [PEER], OTHER_PEER), resume()])
          // Twice, where neither of them saw what the other had not committed yet.
          const told = new Set((await takeAll(one)).map((text) => eventOf(text).rid))
          expect([...told].filter((rid) => rid.includes(`:${round}-`)).sort()).toEqual(
            (await one.listRids()).filter((rid) => rid.includes(`:${round}-`)).sort(),
          )
          await one.dropDeliveries(PEER)
          now += LEASE_MS
        }
      },
      SECONDS,
    )

    it(
      'never take a NEW for the first one that a target hears of, while the other sends it an older one',
      async () => {
        const rid = dataset('a')
        const targets = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
          asRid(`orn:koi-net.node:${name}+${'0'.repeat(64)}`),
        )
        const held = new Map<Rid, string>()
        /** As the other nodes do: what is not newer than what they hold is nothing to them. */
        const hear = ({ target, eventTexts }: DeliveryBatch) => {
          for (const { event_type, manifest } of eventTexts.map(eventOf)) {
            const { timestamp } = (manifest ?? {}) as { timestamp?: string }
            if (event_type === 'FORGET') held.delete(target)
            else if (timestamp! > (held.get(target) ?? '')) held.set(target, timestamp!)
          }
        }
        const take = (target: Rid, limit: number) =>
          other.takeDeliveries(target, { owner: 'd', leaseMs: LEASE_MS, limit, ignoreDue: true })
        const tell = async (arrival: NewArrival) => {
          await one.accept([arrival])
          await workOff(one, 'w', targets)
        }
        for (let round = 0; round < 15; round++) {
          const year = 2025 - round
          await tell(arrivalOf(bundleOf(rid, { round }, `${year}-06-01T00:00:00Z`)))
          const sending = targets.map(async (target) => {
            const batch = await take(target, 1)
            if (batch === undefined) return
            hear(batch)
            await other.deliveriesFailed(batch, { error: 'no answer', dueAt: now })
          })
          await tell(arrivalOf(bundleOf(rid, { round, again: true }, `${year}-06-02T00:00:00Z`), 'UPDATE'))
          await Promise.all(sending)
          await tell({ rid, eventType: 'FORGET', source: PEER })
          await tell(arrivalOf(bundleOf(rid, { round }, `${year}-01-01T00:00:00Z`)))
          for (const target of targets) {
            const rest = await take(target, 0)
            hear(rest!)
            await other.deliveriesDone(rest!)
          }
          expect([...new Set(held.values())]).toEqual([`${year}-01-01T00:00:00Z`])
          await tell({ rid, eventType: 'FORGET', source: PEER })
          for (const target of targets) {
            const rest = await take(target, 0)
            hear(rest!)
            await other.deliveriesDone(rest!)
          }
        }
      },
      SECONDS,
    )

    it('wake each other, and know whose work it is', async () => {
      const inboxOf = (store: NodeStore) =>
        new Promise<object>((resolve) => {
          store.onWake(({ inbox }, elsewhere = false) => inbox && resolve({ inbox, elsewhere }))
        })
      const heard = Promise.all([inboxOf(one), inboxOf(other)])
      await one.accept([arrivalOf(bundleOf(dataset('a')))])
      const late = sleep(50_000, 'nothing was heard', { ref: false })
      expect(await Promise.race([heard, late])).toEqual([
        { inbox: true, elsewhere: false },
        { inbox: true, elsewhere: true },
      ])
    })

    it('give back what they hold when they close, and say so', async () => {
      await one.accept([arrivalOf(bundleOf(dataset('a')))])
      await takeLane(one, 'w', LEASE_MS)
      await one.takeLease('work', 'one', LEASE_MS)
      const heard = new Promise<object>((resolve) => other.onWake((wake) => wake.outbox && resolve({ ...wake })))
      await one.close()
      expect((await takeLane(other, 'w', LEASE_MS))?.lane).toBe(dataset('a'))
      expect(await other.takeLease('work', 'other', LEASE_MS)).toBeDefined()
      const late = sleep(50_000, 'nothing was heard', { ref: false })
      expect(await Promise.race([heard, late])).toEqual({ changes: true, inbox: true, outbox: true })
    })

    describeShares({
      get stores() {
        return stores
      },
      get now() {
        return now
      },
      set now(to) {
        now = to
      },
    })
  })
}

async function takeLane(store: NodeStore, owner: string, leaseMs: number): Promise<LaneLease | undefined> {
  return (await store.takeLanes(owner, leaseMs, 1))[0]?.lease
}

function changeOf({ eventType, manifest, contents, rid }: NewArrival, origin = PEER): CacheChange {
  if (eventType === 'FORGET') return { kind: 'forget' }
  const bundle = manifest === undefined || contents === undefined ? bundleOf(rid) : { manifest, contents }
  return { kind: 'write', normalizedEventType: eventType === 'UPDATE' ? 'UPDATE' : 'NEW', bundle, origin }
}

async function takeAll(store: NodeStore): Promise<string[]> {
  const batch = await store.takeDeliveries(PEER, { owner: 'd', leaseMs: LEASE_MS, limit: 0 })
  return [...(batch?.eventTexts ?? [])]
}
