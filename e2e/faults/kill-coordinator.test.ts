import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConsumerNode } from '@koi-mcp/core'
import type { FaultPoint } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import { eventually } from '../koi-mcp.ts'
import { FaultNetwork, ROLES } from './network.ts'

/** Where the coordinator is killed, which of the passages there, and what they are about, while a newcomer introduces itself. */
const KILLS: readonly (readonly [point: FaultPoint, nth: number, about: string])[] = [
  ...sides('accept').map((point) => [point, 1, 'orn:koi-net.node:newcomer'] as const),
  ...sides('answer').flatMap((point) => [1, 2].map((nth) => [point, nth, '/events/broadcast'] as const)),
  ...(['apply', 'announce', 'finish'] as const)
    .flatMap(sides)
    .flatMap((point) => [1, 3].map((nth) => [point, nth, 'koi-net'] as const)),
  ...(['send', 'delivered'] as const)
    .flatMap(sides)
    .flatMap((point) => [1, 3].map((nth) => [point, nth, 'orn:koi-net.'] as const)),
]

function sides(step: 'accept' | 'answer' | 'apply' | 'announce' | 'finish' | 'send' | 'delivered') {
  return [`before ${step}`, `after ${step}`] as const
}

describe('kill -9 of the coordinator', () => {
  const newcomers: ConsumerNode[] = []
  let network: FaultNetwork
  let unharmed: unknown

  beforeAll(async () => {
    network = await FaultNetwork.up()
    unharmed = await meet()
  })
  afterAll(async () => {
    await network.down()
    await Promise.all(newcomers.map((node) => node.stop()))
  })

  /** A node of its own joins; what everybody has of it in the end, its RID left out. */
  async function meet(kill?: (typeof KILLS)[number]) {
    const { coordinator } = network.nodes
    if (kill !== undefined) {
      const [point, nth, about] = kill
      await coordinator.order({ do: 'arm', point, nth, about })
    }
    const newcomer = new ConsumerNode({
      name: `newcomer-${newcomers.length}`,
      baseUrl: 'http://127.0.0.1:0/koi-net',
      firstContact: coordinator.baseUrl,
    })
    newcomers.push(newcomer)
    await newcomer.start()
    if (kill !== undefined) await coordinator.restartAfterDeath()
    const { rid } = newcomer.identity
    const own = (await newcomer.store.read(rid))?.bundle.manifest.sha256_hash
    const ofIt = (edges: readonly string[]) =>
      edges
        .filter((edge) => edge.includes(rid))
        .map((edge) => edge.replace(rid, 'it').replace(coordinator.rid, 'coordinator'))
    const met = (edges: readonly string[]) => ofIt(edges).filter((edge) => edge.endsWith('APPROVED')).length >= 2
    // Nobody tells it of those who were here before: it catches up once its subscription stands.
    await eventually(async () => {
      const known = await newcomer.store.readMany(ROLES.map((role) => asRid(network.nodes[role].rid)))
      return known.length === ROLES.length ? true : undefined
    })
    const held = await network.until(
      `all know ${rid}`,
      (now) =>
        ROLES.every((role) => now[role].cache[rid] !== undefined) &&
        met(now.coordinator.edges) &&
        met(newcomer.graph.edgesOf(rid).map(({ profile }) => `${profile.source} ${profile.target} ${profile.status}`)),
    )
    return {
      profiles: ROLES.map((role) => held[role].cache[rid] === own),
      edges: ROLES.map((role) => ofIt(held[role].edges)),
      deadLetters: ROLES.map((role) => held[role].inbox.deadLetters),
    }
  }

  test('shows what happens without it', () => {
    const both = ['coordinator it APPROVED', 'it coordinator APPROVED']
    expect(unharmed).toEqual({ profiles: [true, true, true], edges: [both, [], []], deadLetters: [0, 0, 0] })
  })

  test.each(KILLS)('%s (passage %s, of %s) leaves nobody unknown to anybody', async (...kill) => {
    expect(await meet(kill)).toEqual(unharmed)
  })
})
