import { afterEach, describe, expect, it } from 'vitest'
import { profileBundle, testIdentity } from '../../test/peers.ts'
import { NO_EMISSIONS } from '../store/node-store.ts'
import type { NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { NetworkGraph } from './network-graph.ts'

const us = testIdentity('us')
const [alice, bob] = [testIdentity('alice'), testIdentity('bob')]
const stores: NodeStore[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
})

async function setup() {
  const store = await openSqliteStore({ path: ':memory:' })
  stores.push(store)
  const apply = async (node: typeof alice, change: 'write' | 'forget') => {
    const bundle = profileBundle(node)
    const { places } = await store.accept([{ rid: node.rid, ...bundle, source: node.rid }])
    const lease = (await store.takeLanes('another process', 1_000, 1))[0]!.lease
    const write = { kind: 'write', normalizedEventType: 'NEW', bundle } as const
    await store.apply(lease, places[0]!, change === 'write' ? write : { kind: 'forget' }, NO_EMISSIONS)
    await store.finish(lease, places[0]!, NO_EMISSIONS)
    await store.releaseLane(lease)
  }
  return { store, apply, graph: new NetworkGraph(us.rid) }
}

describe('the network graph', () => {
  it('takes in what another process of the node changed', async () => {
    const { store, apply, graph } = await setup()
    await apply(alice, 'write')
    await graph.load(store)
    expect(graph.nodes()).toEqual([alice.rid])
    await apply(bob, 'write')
    await apply(alice, 'forget')
    expect(graph.nodes()).toEqual([alice.rid])
    await graph.follow(store)
    expect(graph.nodes()).toEqual([bob.rid])
    expect(graph.profile(bob.rid)).toEqual(bob.profile)
  })

  it('looks once for all who ask while a look is under way, and again after one that failed', async () => {
    const { store, apply, graph } = await setup()
    const looks: (() => void)[] = []
    let away = false
    const slow: Pick<NodeStore, 'changesAfter' | 'readMany'> = {
      changesAfter: async (seq, limit) => {
        await new Promise<void>((resolve) => looks.push(resolve))
        if (away) throw new Error('away')
        return store.changesAfter(seq, limit)
      },
      readMany: (rids) => store.readMany(rids),
    }
    const turn = () => new Promise((resolve) => setImmediate(resolve))
    const first = graph.follow(slow)
    await turn()
    const later = [graph.follow(slow), graph.follow(slow)]
    looks.shift()!()
    await first
    await apply(alice, 'write')
    expect(looks).toHaveLength(1)
    away = true
    looks.shift()!()
    for (const follow of later) await expect(follow).rejects.toThrow('away')
    away = false
    const again = graph.follow(slow)
    await turn()
    looks.shift()!()
    await again
    expect(graph.nodes()).toEqual([alice.rid])
  })
})
