import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FAULT_STEPS } from '@koi-mcp/core'
import type { FaultPoint } from '@koi-mcp/core'
import { contentsOf, sha256Contents } from '@koi-mcp/protocol'
import type { Order } from './node-process.ts'
import { Died, FaultNetwork, ROLES } from './network.ts'
import type { Role } from './network.ts'

/** Who is killed where while a note is published, changed and forgotten. The type asks for every point: a new one needs its victims. */
const VICTIMS: Readonly<Record<FaultPoint, readonly Exclude<Role, 'coordinator'>[]>> = {
  'before accept': ['producer', 'consumer'],
  'after accept': ['producer', 'consumer'],
  'before answer': ['consumer'],
  'after answer': ['consumer'],
  'before apply': ['producer', 'consumer'],
  'after apply': ['producer', 'consumer'],
  'before announce': ['producer', 'consumer'],
  'after announce': ['producer', 'consumer'],
  'before settle': ['producer', 'consumer'],
  'after settle': ['producer', 'consumer'],
  'before finish': ['producer', 'consumer'],
  'after finish': ['producer', 'consumer'],
  'before send': ['producer'],
  'after send': ['producer'],
  'before delivered': ['producer'],
  'after delivered': ['producer'],
  'before consume': ['producer', 'consumer'],
  'after consume': ['consumer'],
}

const points = Object.keys(VICTIMS) as FaultPoint[]

test('every fault point has a process that is killed there', () => {
  const all = FAULT_STEPS.flatMap((step) => [`before ${step}`, `after ${step}`])
  expect([...points].sort()).toEqual(all.sort())
  expect(points.filter((point) => VICTIMS[point].length === 0)).toEqual([])
})

const ONE = { n: 1 }
const TWO = { n: 2 }
const hashOf = (contents: object): string => sha256Contents(contentsOf(contents).value)

/** The changes of one note, and what is cached after each. */
const changesOf = (rid: string): readonly (readonly [order: Order, hash: string | undefined])[] => [
  [{ do: 'publish', rid, contents: ONE, key: `${rid} 1` }, hashOf(ONE)],
  [{ do: 'publish', rid, contents: TWO, key: `${rid} 2` }, hashOf(TWO)],
  [{ do: 'forget', rid }, undefined],
]

interface Victim {
  readonly role: Role
  readonly point: FaultPoint
  /** Which of its passages there; default: the first. */
  readonly nth?: number
}

let notes = 0

/** Takes a note from its beginning to its end. With a victim, that one is killed at its point during each of the three changes. */
async function lifeOfANote(network: FaultNetwork, victim?: Victim, type = 'orn:faults.note') {
  const rid = `${type}:${++notes}`
  for (const [order, hash] of changesOf(rid)) {
    if (victim !== undefined) await arm(network, victim, rid)
    await acknowledged(network, order, victim)
    if (victim !== undefined && victim.role !== 'producer') await revive(network, victim)
    await network.until(`all hold ${hash} of ${rid} (${victim?.role} killed ${victim?.point})`, (held) =>
      ROLES.every((role) => held[role].cache[rid] === hash && held[role].shown[rid] === hash),
    )
  }
  const held = await network.holdings()
  const seen = ROLES.map(async (role) => ({
    role,
    changes: held[role].changes.filter(([changed]) => changed === rid).map(([, eventType]) => eventType),
    networkPhase: (await network.nodes[role].networkCalls(rid)).map(({ rid: _, ...call }) => call),
    edges: held[role].edges,
    deadLetters: held[role].inbox.deadLetters,
  }))
  return Promise.all(seen)
}

const arm = ({ nodes }: FaultNetwork, { role, point, nth = 1 }: Victim, rid: string) =>
  nodes[role].order({ do: 'arm', point, about: point.endsWith('answer') ? '/events/broadcast' : rid, nth })

async function revive({ nodes }: FaultNetwork, { role }: Victim): Promise<void> {
  await nodes[role].restartAfterDeath()
  await nodes[role].order({ do: 'serve fetches', serve: false })
}

/** Orders the producer until it says yes; what was acknowledged is not ordered again. */
async function acknowledged(network: FaultNetwork, order: Order, victim: Victim | undefined): Promise<void> {
  const acknowledged = await network.nodes.producer.order(order).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Died) return false
      throw error
    },
  )
  if (victim?.role === 'producer') await revive(network, victim)
  if (!acknowledged) await network.nodes.producer.order(order)
}

describe.each(['producer', 'consumer'] as const)('kill -9 of the %s', (role) => {
  let network: FaultNetwork
  let unharmed: Awaited<ReturnType<typeof lifeOfANote>>

  beforeAll(async () => {
    network = await FaultNetwork.up()
    // What a node has of notes from here on it was told, and not brought by catching up after its start.
    for (const each of ROLES) await network.nodes[each].order({ do: 'serve fetches', serve: false })
    unharmed = await lifeOfANote(network)
  })
  afterAll(() => network.down())

  test('shows what happens without it', () => {
    const [one, two] = [hashOf(ONE), hashOf(TWO)]
    expect(unharmed.map(({ edges: _, ...seen }) => seen)).toEqual(
      ROLES.map((each) => ({
        role: each,
        changes: ['NEW', 'UPDATE', 'FORGET'],
        networkPhase: [
          { normalizedEventType: 'NEW', hash: one },
          { normalizedEventType: 'UPDATE', hash: two, previous: one },
          { normalizedEventType: 'FORGET', hash: two },
        ],
        deadLetters: 0,
      })),
    )
  })

  test.each(points.filter((point) => (VICTIMS[point] as readonly Role[]).includes(role)))(
    '%s of a NEW, an UPDATE and a FORGET loses nothing and does nothing twice',
    async (point) => {
      const type = point.endsWith('settle') ? 'orn:faults.plain' : undefined
      const seen = await lifeOfANote(network, { role, point }, type)
      // Nothing waits for a plain note behind the cache: that is why it is settled.
      expect(seen).toEqual(type === undefined ? unharmed : unharmed.map((one) => ({ ...one, networkPhase: [] })))
    },
  )
})

describe('kill -9 around a poll', () => {
  let network: FaultNetwork
  let unharmed: Awaited<ReturnType<typeof lifeOfANote>>
  const serveFetches = (serve: boolean) =>
    Promise.all(ROLES.map((role) => network.nodes[role].order({ do: 'serve fetches', serve })))

  beforeAll(async () => {
    network = await FaultNetwork.up({ polling: true })
    await serveFetches(false)
    unharmed = await lifeOfANote(network)
  })
  afterAll(() => network.down())

  // One passage is that of the poll, the other one that of the coordinator's webhook.
  const around: Victim[] = [1, 2].flatMap((nth) => [
    { role: 'producer', point: 'before delivered', nth },
    { role: 'producer', point: 'after delivered', nth },
  ])
  test.each<Victim>([
    ...around,
    { role: 'consumer', point: 'after accept', nth: 1 },
    { role: 'consumer', point: 'after apply', nth: 1 },
  ])('of the $role $point (passage $nth) loses nothing and does nothing twice', async (victim) => {
    expect(await lifeOfANote(network, victim)).toEqual(unharmed)
  })

  test('of the consumer before accept loses the reply: its next start brings what is there, and not what went', async () => {
    await serveFetches(true)
    const rid = `orn:faults.note:${++notes}`
    const [[publish, hash], , [forget]] = changesOf(rid) as [[Order, string], unknown, [Order]]
    for (const [order, remains] of [
      [publish, hash],
      [forget, undefined],
    ] as const) {
      await arm(network, { role: 'consumer', point: 'before accept' }, rid)
      await network.nodes.producer.order(order)
      await network.nodes.consumer.restartAfterDeath()
      const held = await network.until(`${order.do} is everywhere but at the consumer`, ({ producer, coordinator }) =>
        [producer, coordinator].every(({ cache }) => cache[rid] === remains),
      )
      if (remains === undefined) expect(held.consumer.cache[rid]).toBe(hash)
      else await network.until('the consumer has caught up', ({ consumer }) => consumer.cache[rid] === hash)
    }
  })
})
