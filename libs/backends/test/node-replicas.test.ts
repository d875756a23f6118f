import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConsumerNode, CoordinatorNode, ProducerNode } from '@koi-mcp/core'
import type { KoiNode, NodeEvent } from '@koi-mcp/core'
import { nodeNameOf } from '@koi-mcp/protocol'
import { Cable, NoteRID, NotesExtension, Replicas } from './node-replicas.ts'
import { testSchemas, url } from './test-schemas.ts'

const LONG = { timeout: 30_000 }

describe.skipIf(url === '')('one node of many processes on Postgres', () => {
  const schemas = testSchemas()
  let schema: string
  let coordinator: CoordinatorNode
  let replicas: Replicas
  /** What the coordinator was told of the network, in order. */
  let told: NodeEvent[]

  beforeEach(async () => {
    schema = schemas()
    coordinator = new CoordinatorNode({
      name: 'coordinator',
      baseUrl: 'http://127.0.0.1:0/koi-net',
      domains: [new NotesExtension()],
    })
    told = []
    coordinator.onEvent((event) => {
      if (event.about !== 'knowledge' && event.rid !== coordinator.identity.rid) told.push(event)
    })
    await coordinator.start()
    replicas = await Replicas.behind()
  })
  afterEach(async () => {
    await replicas.down()
    await coordinator.stop()
  })

  const replica = (server = url) => replicas.node(ProducerNode, server, schema, coordinator.baseUrl!)
  const edgesOf = (node: KoiNode) =>
    node.graph
      .edgesOf(coordinator.identity.rid)
      .map(({ profile: { source, status } }) => `${nodeNameOf(source)} provides, ${status}`)
      .sort()
  const MET = ['coordinator provides, APPROVED', 'replicated provides, APPROVED']
  const aboutNodes = () => told.filter(({ about }) => about === 'node').map(({ event }) => event)
  /** Nothing more is on its way between the nodes. */
  const settled = async (nodes: readonly KoiNode[]) => {
    for (const node of nodes) await expect.poll(() => edgesOf(node), LONG).toEqual(MET)
    await Promise.all([coordinator, ...nodes].map((node) => node.idle()))
  }

  it('introduces itself once, however many of them start at once', async () => {
    const nodes = await Promise.all(Array.from({ length: 3 }, () => replicas.start(replica())))
    expect(new Set(nodes.map(({ identity }) => identity.rid)).size).toBe(1)
    await settled(nodes)
    expect(aboutNodes()).toEqual(['NEW'])
    expect(told.filter(({ event }) => event === 'FORGET')).toEqual([])

    const changed = nodes.map((node) => {
      const rids: string[] = []
      node.onChange(({ rid }) => void (rid.startsWith(NoteRID.name) && rids.push(rid)))
      return rids
    })
    for (const [index, node] of nodes.entries()) {
      await node.publish({ rid: NoteRID.of(`${index}`), contents: { index } })
    }
    const notes = nodes.map((_, index) => NoteRID.of(`${index}`)).sort()
    for (const node of nodes) await expect.poll(() => [...node.notes].sort(), LONG).toEqual(notes)
    await expect.poll(() => changed.map((rids) => rids.toSorted()), LONG).toEqual(nodes.map(() => notes))
    await expect.poll(() => coordinator.knowledge.listRids({ types: [NoteRID.name] }), LONG).toEqual(notes)
  })

  it('tells nobody of processes that come and go', async () => {
    const first = await replicas.start(replica())
    await settled([first])
    const before = told.length
    const second = await replicas.start(replica())
    await settled([first, second])
    await replicas.stop(first)
    const third = await replicas.start(replica())
    await settled([second, third])
    await replicas.stop(second)
    await replicas.stop(third)
    const last = await replicas.start(replica())
    await settled([last])
    expect(told.slice(before)).toEqual([])
  })

  it('catches up with whom it comes to know, also when the process that did so is gone', async () => {
    const consumer = () => replicas.node(ConsumerNode, url, schema, coordinator.baseUrl!)
    const [first, second] = [await replicas.start(consumer()), await replicas.start(consumer())]
    await replicas.stop(first)
    const producer = new ProducerNode({
      name: 'producer',
      baseUrl: 'http://127.0.0.1:0/koi-net',
      domains: [new NotesExtension()],
      firstContact: coordinator.baseUrl,
    })
    try {
      // Before anybody subscribes, so that nobody is told.
      await producer.publish({ rid: NoteRID.of('old'), contents: {} })
      await expect.poll(() => [...second.notes], LONG).toEqual([NoteRID.of('old')])
    } finally {
      await producer.stop()
    }
  })

  it('is right soon after a process that was cut off has its way to the store again', async () => {
    const cable = new Cable(url)
    try {
      const away = await replicas.start(replica(await cable.lay()))
      const here = await replicas.start(replica())
      await settled([away, here])
      const kept = NoteRID.of('kept')
      const gone = NoteRID.of('gone')
      await away.publish({ rid: gone, contents: { text: 'gone' } })
      await expect.poll(() => away.notes.has(gone), LONG).toBe(true)
      cable.cut()
      await expect(away.publish({ rid: NoteRID.of('lost'), contents: {} })).rejects.toThrow(/Postgres/)
      await here.publish({ rid: kept, contents: { text: 'kept' } })
      await here.forget(gone)
      await expect.poll(() => [...here.notes], LONG).toEqual([kept])
      await sleep(1_500)
      expect([...away.notes]).toEqual([gone])
      cable.mend()
      await expect.poll(() => [...away.notes], LONG).toEqual([kept])
      expect((await away.knowledge.search('kept')).hits.map(({ rid }) => rid)).toEqual([kept])
      await settled([away, here])
      expect(aboutNodes()).toEqual(['NEW'])
    } finally {
      await cable.remove()
    }
  })
})
