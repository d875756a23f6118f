import { afterEach, describe, expect, it } from 'vitest'
import {
  contentsOf,
  defineRidType,
  edgeProfileContents,
  edgeRid,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  KOI_NET_EDGE,
  KOI_NET_NODE,
  nodeProfileContents,
  sha256Contents,
} from '@koi-mcp/protocol'
import type { Bundle, EdgeProfile, EventType, Rid } from '@koi-mcp/protocol'
import { TransientError } from '../domain/handler-errors.ts'
import { makeIdentity } from '../identity/make-identity.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import { ProducerNode } from '../nodes/producer-node.ts'
import { DomainExtension } from '../domain/domain-extension.ts'
import type { Change, NewArrival } from '../store/node-store.ts'
import { HandlerType, STOP_CHAIN } from './handler.ts'
import type { KnowledgeObject } from './knowledge-object.ts'

const NoteRID = defineRidType('orn:notes.note')
const OtherRID = defineRidType('orn:notes.other')
const SECOND = 1_000_000n
const START = 1_790_000_000n * SECOND

class Notes extends DomainExtension {
  readonly name = 'notes'
  override get ridTypes() {
    return [NoteRID]
  }
}

const nodes: ProducerNode[] = []
afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.stop()))
})

function producer(): ProducerNode {
  const node = new ProducerNode({
    name: 'producer',
    baseUrl: 'http://127.0.0.1:9/koi-net',
    listen: false,
    domains: [new Notes()],
    network: { maxRetries: 3, connectTimeoutMs: 50 },
    // Here anyone's events go through the phases; who may speak about what is in `security/`.
    security: { authority: 'open' },
  })
  nodes.push(node)
  return node
}

function stranger(name = 'stranger'): NodeIdentity {
  const { privateKey } = generateKeyPair()
  const provides = { event: [], state: [] }
  return makeIdentity({ name, baseUrl: 'http://127.0.0.1:1/koi-net', privateKey, provides })
}

const bundle = (rid: Rid, contents: object, seconds = 0): Bundle =>
  generateBundle(rid, contentsOf(contents), formatTimestamp(START + BigInt(seconds) * SECOND))

const event = (eventType: EventType | undefined, { manifest, contents }: Bundle, source?: Rid): NewArrival => ({
  rid: manifest.rid,
  eventType,
  manifest,
  contents,
  source,
})

async function settle(node: ProducerNode, ...arrivals: NewArrival[]): Promise<void> {
  await node.store.accept(arrivals)
  await worked(node)
}

/** Waits for the inbox alone: deliveries to strangers go nowhere here. */
async function worked(node: ProducerNode): Promise<void> {
  while ((await node.store.inboxState()).pending > 0) await new Promise((resolve) => setTimeout(resolve, 2))
}

const log = async (node: ProducerNode, rid: Rid): Promise<readonly EventType[]> =>
  (await node.store.changesAfter(0, 1_000))
    .filter((change: Change) => change.rid === rid)
    .map((change) => change.eventType)

describe('the pipeline', () => {
  it('[PIPE-1] calls handlers by phase, in the order of registration, with what the one before returned', async () => {
    const node = producer()
    const calls: string[] = []
    const note = (name: string) => (_: unknown, kobj: KnowledgeObject) => {
      calls.push(`${name} ${kobj.eventType} → ${kobj.normalizedEventType} ${kobj.contents?.text}`)
    }
    node.processor.registerHandler(HandlerType.Final, note('final'))
    node.processor.registerHandler(HandlerType.Rid, note('rid'))
    node.processor.registerHandler(HandlerType.Bundle, { name: 'change', ridTypes: [NoteRID] }, (_, kobj) => {
      const contents = contentsOf({ changed: true })
      const manifest = { ...generateBundle(kobj.rid, contents, formatTimestamp(START)).manifest }
      return { ...kobj, manifest, contents }
    })
    node.processor.registerHandler(HandlerType.Bundle, note('bundle'))
    node.processor.registerHandler(HandlerType.Network, note('network'))
    node.processor.registerHandler(HandlerType.Manifest, note('manifest'))
    await node.start()
    await worked(node)
    calls.length = 0
    await settle(node, event('NEW', bundle(NoteRID.of('a'), { n: 1 }), stranger().rid))
    expect(calls).toEqual([
      'rid NEW → undefined {"n":1}',
      'manifest NEW → NEW {"n":1}',
      'bundle NEW → NEW {"changed":true}',
      'network NEW → NEW {"changed":true}',
      'final NEW → NEW {"changed":true}',
    ])
    expect((await node.store.read(NoteRID.of('a')))?.bundle.contents.text).toBe('{"changed":true}')
  })

  it('filters by RID type and by the event type received', async () => {
    const node = producer()
    const calls: string[] = []
    const filter = { ridTypes: [NoteRID], eventTypes: ['UPDATE' as const] }
    node.processor.registerHandler(
      HandlerType.Rid,
      filter,
      (_, kobj) => void calls.push(`${kobj.eventType} ${kobj.rid}`),
    )
    await node.start()
    const { rid } = stranger()
    await settle(
      node,
      event('NEW', bundle(NoteRID.of('a'), { n: 1 }), rid),
      event('UPDATE', bundle(NoteRID.of('b'), { n: 1 }), rid),
      event('UPDATE', bundle(OtherRID.of('c'), { n: 1 }), rid),
      event(undefined, bundle(NoteRID.of('d'), { n: 1 }), rid),
    )
    expect(calls).toEqual(['UPDATE orn:notes.note:b'])
  })

  it.each([HandlerType.Rid, HandlerType.Manifest, HandlerType.Bundle])(
    'caches nothing after STOP_CHAIN in phase %s',
    async (type) => {
      const node = producer()
      node.processor.registerHandler(type, { ridTypes: [NoteRID] }, () => STOP_CHAIN)
      await node.start()
      await settle(node, event('NEW', bundle(NoteRID.of('a'), { n: 1 }), stranger().rid))
      expect(await node.store.read(NoteRID.of('a'))).toBeUndefined()
    },
  )

  it('[PIPE-2] gives a FORGET the bundle about to go, and an UPDATE the one before', async () => {
    const node = producer()
    const seen: unknown[] = []
    for (const type of [HandlerType.Bundle, HandlerType.Network, HandlerType.Final]) {
      node.processor.registerHandler(type, { ridTypes: [NoteRID] }, (_, kobj) => {
        seen.push([type, kobj.normalizedEventType, kobj.contents?.text, kobj.previous?.contents.text])
      })
    }
    await node.start()
    const { rid } = stranger()
    const a = NoteRID.of('a')
    await settle(node, event('NEW', bundle(a, { n: 1 }, 1), rid))
    seen.length = 0
    await settle(node, event('NEW', bundle(a, { n: 2 }, 2), rid))
    await settle(node, { rid: a, eventType: 'FORGET', source: rid })
    expect(seen).toEqual([
      ['bundle', 'UPDATE', '{"n":2}', undefined],
      ['network', 'UPDATE', '{"n":2}', '{"n":1}'],
      ['final', 'UPDATE', '{"n":2}', '{"n":1}'],
      ['bundle', 'FORGET', '{"n":2}', undefined],
      ['network', 'FORGET', '{"n":2}', undefined],
      ['final', 'FORGET', '{"n":2}', undefined],
    ])
  })

  it('[PIPE-3] ignores the same hash, and what is not newer', async () => {
    const node = producer()
    await node.start()
    const { rid } = stranger()
    const a = NoteRID.of('a')
    await settle(
      node,
      event('NEW', bundle(a, { n: 1 }, 10), rid),
      event('NEW', bundle(a, { n: 1 }, 20), rid),
      event('UPDATE', bundle(a, { n: 2 }, 10), rid),
      event('UPDATE', bundle(a, { n: 3 }, 5), rid),
    )
    expect(await log(node, a)).toEqual(['NEW'])
    expect((await node.store.read(a))?.bundle.manifest.timestamp).toBe(formatTimestamp(START + 10n * SECOND))
  })

  it('[PIPE-4] lets nobody else speak about its own RID', async () => {
    const node = producer()
    await node.start()
    const { rid, profile } = node.identity
    const other = { ...profile, base_url: 'http://evil.example/koi-net' }
    const later = generateBundle(rid, nodeProfileContents(other), '2099-01-01T00:00:00Z')
    await settle(node, event('UPDATE', later, stranger().rid), { rid, eventType: 'FORGET', source: stranger().rid })
    const own = await node.store.read(rid)
    expect(own?.bundle.manifest.sha256_hash).toBe(sha256Contents(nodeProfileContents(profile).value))
  })

  it('lets nobody else change or forget what it published', async () => {
    const node = producer()
    await node.start()
    const { rid } = await node.publish({ rid: NoteRID.of('mine'), contents: { n: 1 } })
    await worked(node)
    const { rid: other } = stranger()
    const later = generateBundle(rid, contentsOf({ n: 2 }), '2099-01-01T00:00:00Z')
    await settle(node, event('UPDATE', later, other), { rid, eventType: 'FORGET', source: other })
    expect((await node.store.read(rid))?.bundle.contents.text).toBe('{"n":1}')
    expect(await log(node, rid)).toEqual(['NEW'])
    await node.forget(rid)
    await worked(node)
    expect(await log(node, rid)).toEqual(['NEW', 'FORGET'])
  })

  it('drops contents that do not match their manifest', async () => {
    const node = producer()
    await node.start()
    const { manifest } = bundle(NoteRID.of('a'), { n: 1 })
    const forged = { manifest, contents: contentsOf({ n: 2 }) }
    await settle(node, event('NEW', forged, stranger().rid))
    expect(await node.store.read(NoteRID.of('a'))).toBeUndefined()
  })

  it('drops what a node that cannot be asked tells without its contents, and keeps no letter of it', async () => {
    const node = producer()
    await node.start()
    const rid = NoteRID.of('a')
    const { manifest } = bundle(rid, { n: 1 })
    const source = stranger().rid
    await settle(node, { rid, eventType: 'NEW', source }, { rid, eventType: 'NEW', manifest, source })
    expect(await node.store.inboxState()).toMatchObject({ pending: 0, deadLetters: 0 })
    expect(await node.store.read(rid)).toBeUndefined()
  })

  it('goes on behind the cache when the Network phase failed for a while, and commits what a handler pushes once', async () => {
    const node = producer()
    const runs: unknown[] = []
    node.processor.registerHandler(HandlerType.Network, { ridTypes: [NoteRID] }, (processor, kobj) => {
      runs.push([processor.attempt, kobj.normalizedEventType, kobj.previous?.contents.text])
      processor.push({ rid: OtherRID.of('pushed'), contents: contentsOf({ by: 'handler' }) })
      if (processor.attempt === 1) throw new TransientError('not yet', { delayMs: 10 })
    })
    await node.start()
    await settle(node, event('NEW', bundle(NoteRID.of('a'), { n: 1 }), stranger().rid))
    expect(runs).toEqual([
      [1, 'NEW', undefined],
      [2, 'NEW', undefined],
    ])
    expect(await log(node, NoteRID.of('a'))).toEqual(['NEW'])
    expect(await log(node, OtherRID.of('pushed'))).toEqual(['NEW'])
  })

  it('puts what keeps failing among the dead letters, and what is behind it in the lane goes on', async () => {
    const node = producer()
    let runs = 0
    node.processor.registerHandler(HandlerType.Bundle, { ridTypes: [NoteRID] }, (_, kobj) => {
      if (kobj.contents?.text !== '{"bad":1}') return
      runs += 1
      throw new TransientError('always', { delayMs: 1 })
    })
    await node.start()
    const a = NoteRID.of('a')
    await settle(
      node,
      event('NEW', bundle(a, { bad: 1 }, 1), stranger().rid),
      event('NEW', bundle(a, { good: 1 }, 2), stranger().rid),
    )
    expect(runs).toBe(3)
    expect((await node.store.read(a))?.bundle.contents.text).toBe('{"good":1}')
    expect(await node.store.listDeadLetters()).toMatchObject([{ error: 'always', attempts: 3, arrival: { rid: a } }])
  })
})

describe('edges', () => {
  async function withPeer() {
    const node = producer()
    await node.start()
    const peer = stranger('peer')
    const profile = generateBundle(peer.rid, nodeProfileContents(peer.profile), formatTimestamp(START))
    await settle(node, event('NEW', profile, peer.rid))
    const self = node.identity.rid
    const edge = (more: Partial<EdgeProfile> = {}): EdgeProfile => ({
      source: self,
      target: peer.rid,
      edge_type: 'WEBHOOK',
      status: 'PROPOSED',
      rid_types: [NoteRID.name],
      ...more,
    })
    const propose = async (profile: EdgeProfile, from: Rid, rid = edgeRid(profile.source, profile.target)) => {
      await settle(node, event('NEW', generateBundle(rid, edgeProfileContents(profile), formatTimestamp(START)), from))
    }
    const statusOf = () => node.graph.edge(self, peer.rid)?.profile.status
    const sent = async () => {
      const batch = await node.store.takeDeliveries(peer.rid, {
        owner: 'test',
        leaseMs: 1_000,
        limit: 0,
        ignoreDue: true,
      })
      return (batch?.eventTexts ?? []).map((text) => JSON.parse(text) as { event_type: string; rid: string })
    }
    return { node, peer, self, edge, propose, statusOf, sent }
  }

  it('[NEG-1] approves what it provides', async () => {
    const { peer, edge, propose, statusOf } = await withPeer()
    await propose(edge(), peer.rid)
    expect(statusOf()).toBe('APPROVED')
  })

  it('[NEG-1] approves the edge of a subscriber whose clock is ahead', async () => {
    const { node, peer, self, edge, statusOf } = await withPeer()
    const ahead = formatTimestamp(BigInt(Date.now() + 60_000) * 1_000n)
    const proposal = generateBundle(edgeRid(self, peer.rid), edgeProfileContents(edge()), ahead)
    await settle(node, event('NEW', proposal, peer.rid))
    expect(statusOf()).toBe('APPROVED')
  })

  it('[NEG-1] refuses a type that it does not provide, with a FORGET', async () => {
    const { node, self, peer, edge, propose, statusOf } = await withPeer()
    const targets: string[] = []
    node.onEvent(({ rid }) => targets.push(rid))
    await propose(edge({ rid_types: [NoteRID.name, 'orn:secret'] }), peer.rid)
    expect(statusOf()).toBeUndefined()
    const queued = await node.store.outboxState()
    expect(queued.map(({ target }) => target)).toEqual([peer.rid])
    expect(targets).not.toContain(edgeRid(self, peer.rid))
  })

  it.each([
    ['born approved', (e: EdgeProfile): EdgeProfile => ({ ...e, status: 'APPROVED' })],
    ['from itself to itself', (e: EdgeProfile): EdgeProfile => ({ ...e, target: e.source })],
  ])('drops an edge %s', async (_, change) => {
    const { node, peer, edge, propose } = await withPeer()
    const changed = change(edge())
    await propose(changed, peer.rid)
    expect(await node.store.read(edgeRid(changed.source, changed.target))).toBeUndefined()
  })

  it('drops an edge proposed by a third party, or under a wrong RID', async () => {
    const { node, peer, edge, propose, statusOf } = await withPeer()
    await propose(edge(), stranger('third').rid)
    expect(statusOf()).toBeUndefined()
    const wrong = edgeRid(peer.rid, node.identity.rid)
    await propose(edge(), peer.rid, wrong)
    expect(await node.store.read(wrong)).toBeUndefined()
    expect(statusOf()).toBeUndefined()
  })

  it('takes no more from a provider than it asked of it: no proposal, and no approval of other types', async () => {
    const node = producer()
    await node.start()
    const provider = makeIdentity({
      name: 'provider',
      baseUrl: 'http://127.0.0.1:1/koi-net',
      privateKey: generateKeyPair().privateKey,
      provides: { event: [KOI_NET_NODE.name, NoteRID.name], state: [] },
    })
    const self = node.identity.rid
    const rid = edgeRid(provider.rid, self)
    let seconds = 0
    const edge = async (status: EdgeProfile['status'], rid_types: string[]) => {
      const profile: EdgeProfile = { source: provider.rid, target: self, edge_type: 'WEBHOOK', status, rid_types }
      const stamp = formatTimestamp(BigInt(Date.now() + 1_000 * ++seconds) * 1_000n)
      await settle(node, event('UPDATE', generateBundle(rid, edgeProfileContents(profile), stamp), provider.rid))
    }
    const standing = () => {
      const { status, rid_types } = node.graph.edge(provider.rid, self)?.profile ?? {}
      return [status, rid_types]
    }
    await edge('PROPOSED', [KOI_NET_NODE.name])
    expect(standing()).toEqual([undefined, undefined])
    const profile = generateBundle(provider.rid, nodeProfileContents(provider.profile), formatTimestamp(START))
    await settle(node, event('NEW', profile, provider.rid))
    expect(standing()).toEqual(['PROPOSED', [KOI_NET_NODE.name]])
    await edge('PROPOSED', [NoteRID.name])
    await edge('APPROVED', [KOI_NET_NODE.name, NoteRID.name])
    expect(standing()).toEqual(['PROPOSED', [KOI_NET_NODE.name]])
    await edge('APPROVED', [KOI_NET_NODE.name])
    expect(standing()).toEqual(['APPROVED', [KOI_NET_NODE.name]])
  })

  it('lets only its two ends forget an edge of its own', async () => {
    const { node, self, peer, edge, propose, statusOf } = await withPeer()
    await propose(edge(), peer.rid)
    const forget: NewArrival = { rid: edgeRid(self, peer.rid), eventType: 'FORGET' }
    await settle(node, { ...forget, source: stranger('third').rid })
    expect(statusOf()).toBe('APPROVED')
    await settle(node, { ...forget, source: peer.rid })
    expect(statusOf()).toBeUndefined()
  })

  it('[OUT-2] tells the subscribers of a type, and not the one that told us', async () => {
    const { node, peer, edge, propose } = await withPeer()
    await propose(edge(), peer.rid)
    const other = stranger('other')
    const profile = generateBundle(other.rid, nodeProfileContents(other.profile), formatTimestamp(START))
    await settle(node, event('NEW', profile, other.rid))
    await propose(edge({ target: other.rid }), other.rid)
    const queuedFor = async (rid: Rid) => {
      const take = { owner: 'test', leaseMs: 1_000, limit: 0, ignoreDue: true }
      // While it is tried to be delivered, nobody else gets it.
      for (;;) {
        const batch = await node.store.takeDeliveries(rid, take)
        if (batch !== undefined) return batch.rids.filter((queued) => NoteRID.matches(queued))
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    await settle(node, event('NEW', bundle(NoteRID.of('theirs'), { n: 1 }), peer.rid))
    await settle(node, event('NEW', bundle(OtherRID.of('not provided'), { n: 1 }), other.rid))
    expect(await queuedFor(peer.rid)).toEqual([])
    expect(await queuedFor(other.rid)).toEqual([NoteRID.of('theirs')])
  })

  it('[NEG-2] subscribes to a provider once, and anew when it is met again or provides more', async () => {
    const node = producer()
    await node.start()
    const nodes = { event: [KOI_NET_NODE.name], state: [] }
    const provider = makeIdentity({
      name: 'provider',
      baseUrl: 'http://127.0.0.1:1/koi-net',
      privateKey: generateKeyPair().privateKey,
      provides: nodes,
    })
    const rid = edgeRid(provider.rid, node.identity.rid)
    let seconds = 0
    const tell = async (type: EventType, change: object = {}) => {
      const contents = nodeProfileContents({ ...provider.profile, ...change })
      const told = generateBundle(provider.rid, contents, formatTimestamp(START + BigInt(seconds++) * SECOND))
      await settle(node, event(type, told, provider.rid))
    }
    await tell('NEW')
    expect(await log(node, rid)).toEqual(['NEW'])
    await tell('UPDATE', { base_url: 'http://127.0.0.1:2/koi-net' })
    await tell('UPDATE', { provides: { event: [KOI_NET_NODE.name, 'orn:unwanted'], state: [] } })
    expect(await log(node, rid)).toEqual(['NEW'])
    const forget: NewArrival = { rid: provider.rid, eventType: 'FORGET', source: provider.rid }
    const again = generateBundle(provider.rid, nodeProfileContents(provider.profile), formatTimestamp(START))
    await settle(node, forget, event('NEW', again, provider.rid))
    expect(node.graph.edge(provider.rid, node.identity.rid)?.profile.status).toBe('PROPOSED')
    expect((await log(node, rid)).slice(-1)).toEqual(['NEW'])
  })

  it('[NEG-3] forgets the edges of a forgotten node', async () => {
    const { node, peer, edge, propose, statusOf } = await withPeer()
    await propose(edge(), peer.rid)
    expect(statusOf()).toBe('APPROVED')
    await settle(node, { rid: peer.rid, eventType: 'FORGET', source: peer.rid })
    expect(statusOf()).toBeUndefined()
    expect(node.graph.edgesOf(peer.rid)).toEqual([])
  })

  it('leaves no edge of a node that went before its proposal, or its approval, had its turn', async () => {
    const { node, peer, edge } = await withPeer()
    const forget: NewArrival = { rid: peer.rid, eventType: 'FORGET', source: peer.rid }
    const proposal = generateBundle(
      edgeRid(node.identity.rid, peer.rid),
      edgeProfileContents(edge()),
      formatTimestamp(START),
    )
    await settle(node, event('NEW', proposal, peer.rid), forget)
    expect(await node.store.listBundles({ types: [KOI_NET_EDGE.name] })).toEqual([])

    const { privateKey } = generateKeyPair()
    const provides = { event: [KOI_NET_NODE.name], state: [] }
    const provider = makeIdentity({ name: 'provider', baseUrl: 'http://127.0.0.1:1/koi-net', privateKey, provides })
    const profile = generateBundle(provider.rid, nodeProfileContents(provider.profile), formatTimestamp(START))
    await settle(node, event('NEW', profile, provider.rid), {
      rid: provider.rid,
      eventType: 'FORGET',
      source: provider.rid,
    })
    expect(await log(node, provider.rid)).toEqual(['NEW', 'FORGET'])
    expect(await node.store.listBundles({ types: [KOI_NET_EDGE.name] })).toEqual([])
  })
})
