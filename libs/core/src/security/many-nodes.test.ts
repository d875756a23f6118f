/** An endless stream of nodes, and of edges, against a real coordinator over HTTP. */
import { afterEach, expect, it } from 'vitest'
import { edgeProfileContents, edgeRid, KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'
import { bundleNow, forgetText, Outsider } from '../../test/outsider.ts'
import { newEvent, profileBundle, recordingLogger, testIdentity, until } from '../../test/peers.ts'
import { CoordinatorNode } from '../nodes/coordinator-node.ts'
import type { NodeOptions } from '../nodes/node-options.ts'

const stops: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
})

async function hub(maxNodes: number, more: Partial<NodeOptions> = {}) {
  const log = recordingLogger()
  const network = { maxNodes }
  const node = new CoordinatorNode({ name: 'hub', log, network, ...more, baseUrl: 'http://127.0.0.1:0/koi-net' })
  await node.start()
  stops.push(() => node.stop())
  const refused = () =>
    log.lines.filter(({ level, message }) => level === 'warn' && message.includes('network.max_nodes'))
  return { node, refused }
}

async function outsider(provides: readonly string[] = []): Promise<Outsider> {
  const made = await Outsider.start(provides)
  stops.push(made.stop)
  return made
}

it('takes in so many nodes, says once that there are more, and goes on with those it has', async () => {
  const { node, refused } = await hub(3)
  const known = await Promise.all([outsider(), outsider(), outsider()])
  for (const each of known) await each.introduce(node)
  const newcomers = await Promise.all([outsider(), outsider()])
  for (const each of newcomers) {
    await each.introduce(node)
    await each.introduce(node)
  }
  expect(node.graph.nodes()).toEqual([node.identity.rid, ...known.map(({ rid }) => rid)])
  expect(refused().map(({ message, fields }) => [message, fields])).toEqual([
    [
      'dropped: a node beyond the 3 that are taken in (network.max_nodes)',
      { rid: newcomers[0]?.rid, peer: newcomers[0]?.rid, count: 1 },
    ],
  ])
  // One of them changes, one goes: there is room for one more.
  const [first, second] = known
  await first?.tell(node, newEvent(first.profileBundle({ provides: { event: ['orn:good'], state: [] } })))
  expect(node.graph.profile(first?.rid)?.provides.event).toEqual(['orn:good'])
  await second?.tell(node, forgetText(second.rid))
  await newcomers[1]?.introduce(node)
  expect(node.graph.nodes()).toContain(newcomers[1]?.rid)
})

it('always has room for the first contact and for nodes that are listed', async () => {
  const contact = await outsider([KOI_NET_NODE.name, KOI_NET_EDGE.name])
  const friend = await outsider()
  const pinned = { firstContact: contact.identity.profile.base_url, firstContactRid: contact.rid }
  const open = await hub(1, pinned)
  await friend.introduce(open.node)
  await contact.introduce(open.node)
  expect(open.node.graph.nodes()).toEqual([open.node.identity.rid, friend.rid, contact.rid])

  const peerTypes = { [contact.rid]: [], [friend.rid]: [] }
  const listed = await hub(1, { security: { peers: 'listed', peerTypes } })
  await contact.introduce(listed.node)
  const [told, more] = [
    testIdentity('told', 'http://told.example/koi-net'),
    testIdentity('more', 'http://more.example'),
  ]
  await until(() => listed.node.graph.edge(contact.rid, listed.node.identity.rid) !== undefined)
  await contact.tell(listed.node, newEvent(profileBundle(told)), newEvent(profileBundle(more)))
  await friend.introduce(listed.node)
  expect(listed.node.graph.nodes()).toEqual([listed.node.identity.rid, contact.rid, friend.rid])
  expect(listed.refused()).toHaveLength(1)
})

const edgesOf = (of: Outsider, count: number): string[] =>
  Array.from({ length: count }, (_, index) => {
    const { rid: target } = testIdentity(`end${index}`)
    const ends = { source: of.rid, target, edge_type: 'WEBHOOK', status: 'APPROVED', rid_types: ['https'] } as const
    return newEvent(bundleNow(edgeRid(of.rid, target), edgeProfileContents(ends).value))
  })

const TOO_MANY_EDGES = 'dropped: an edge beyond those that are taken in (they grow with network.max_nodes)'

it('takes in so many edges of one node, and says once that there are more', async () => {
  const { node, refused } = await hub(10)
  const [greedy, modest] = [await outsider(), await outsider()]
  for (const each of [greedy, modest]) await each.introduce(node)
  await greedy.tell(node, ...edgesOf(greedy, 50))
  await modest.tell(node, ...edgesOf(modest, 5))
  // With the one that the coordinator proposed to each.
  expect(node.graph.edgesOf(greedy.rid)).toHaveLength(20)
  expect(node.graph.edgesOf(modest.rid)).toHaveLength(6)
  expect(refused().map(({ message }) => message)).toEqual([TOO_MANY_EDGES])
})

it('takes in so many edges of all nodes together', async () => {
  const { node, refused } = await hub(5)
  for (const each of [await outsider(), await outsider(), await outsider()]) {
    await each.introduce(node)
    await each.tell(node, ...edgesOf(each, 9))
  }
  // The last newcomer's own was proposed by the coordinator when there was no room for others.
  expect(node.graph.edges()).toHaveLength(21)
  expect(refused().map(({ message }) => message)).toEqual([TOO_MANY_EDGES])
})
