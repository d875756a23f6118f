import { describe, expect, it } from 'vitest'
import {
  defineRidType,
  edgeProfileContents,
  edgeRid,
  formatTimestamp,
  generateBundle,
  KOI_NET_EDGE,
  KOI_NET_NODE,
  nodeProfileContents,
} from '@koi-mcp/protocol'
import type { Bundle, Contents, EventType, Rid } from '@koi-mcp/protocol'
import { DATASET, testBundle, testIdentity } from '../../test/peers.ts'
import { NetworkGraph } from '../graph/network-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { StoredBundle } from '../store/node-store.ts'
import { whyWithoutAuthority } from './authority.ts'
import type { AuthorityMode } from './authority.ts'

const OTHER = defineRidType('orn:test.other')
const us = testIdentity('us', 'http://us.example/koi-net')
const producer = testIdentity('producer', 'http://producer.example/koi-net', [DATASET.name])
const rival = testIdentity('rival', 'http://rival.example/koi-net', [
  DATASET.name,
  KOI_NET_NODE.name,
  KOI_NET_EDGE.name,
])
const keeper = testIdentity('keeper', 'http://keeper.example/koi-net', [KOI_NET_NODE.name, KOI_NET_EDGE.name])
const stranger = testIdentity('stranger', 'http://stranger.example/koi-net', [DATASET.name])
const coordinator = testIdentity('coordinator', 'http://coordinator.example/koi-net', [KOI_NET_EDGE.name])
const gone = testIdentity('gone', 'http://gone.example/koi-net', [DATASET.name])

const profileOf = ({ rid, profile }: NodeIdentity): Bundle => bundleOf(rid, nodeProfileContents(profile))
const bundleOf = (rid: Rid, contents: Contents): Bundle => generateBundle(rid, contents, formatTimestamp(1_000_000n))
const dataset = testBundle('a')

function edgeBetween(source: NodeIdentity, target: NodeIdentity, rid_types: string[] = [DATASET.name]): Bundle {
  const profile = {
    source: source.rid,
    target: target.rid,
    edge_type: 'WEBHOOK',
    status: 'PROPOSED',
    rid_types,
  } as const
  return bundleOf(edgeRid(source.rid, target.rid), edgeProfileContents(profile))
}

/** All but `gone` are known; this node subscribes to datasets at `producer` and `rival`, and to nodes and edges at `keeper` and `rival`. */
function here(): NetworkGraph {
  const graph = new NetworkGraph(us.rid)
  const network = [KOI_NET_NODE.name, KOI_NET_EDGE.name]
  const known = [
    ...[us, producer, rival, keeper, stranger, coordinator].map(profileOf),
    edgeBetween(producer, us),
    edgeBetween(rival, us, [DATASET.name, ...network]),
    edgeBetween(keeper, us, network),
  ]
  for (const { manifest, contents } of known) graph.observe(manifest.rid, contents)
  return graph
}
const graph = here()

interface Question {
  readonly about: Bundle
  readonly from: NodeIdentity
  /** Where the cached bundle came from; absent = nothing is cached; `us` = our own. */
  readonly cachedFrom?: NodeIdentity
  /** Absent = asked for. */
  readonly event?: EventType
  readonly mode?: AuthorityMode
  readonly firstContact?: NodeIdentity
  readonly withoutContents?: boolean
}

function why({ about, from, cachedFrom, event, mode = 'origin', firstContact, withoutContents }: Question) {
  const { manifest, contents } = about
  const kobj = {
    rid: manifest.rid,
    source: from.rid,
    eventType: event,
    networkTargets: new Set<Rid>(),
    ...(withoutContents !== true && event !== 'FORGET' && { manifest, contents }),
  }
  const origin = cachedFrom === us ? undefined : cachedFrom?.rid
  const cached: StoredBundle | undefined = cachedFrom && { rid: manifest.rid, bundle: about, seq: 1, origin }
  return whyWithoutAuthority(kobj, cached, { identity: us, graph }, { mode, firstContact: () => firstContact?.rid })
}

const CHANGES = ['NEW', 'UPDATE', 'FORGET'] as const
const cameFrom = ({ rid }: NodeIdentity) => `it came from ${rid}, which speaks for it`
const unprovided = (type: string) => `that peer does not provide ${type}`
const unasked = (type: string) => `this node does not ask that peer for ${type}`

describe.each(CHANGES)('a %s of knowledge', (event) => {
  it('counts from where it came, subscribed to or not', () => {
    expect(why({ about: dataset, from: stranger, cachedFrom: stranger, event })).toBeUndefined()
  })

  it('counts from a provider that this node subscribes to, as long as nobody else told of it', () => {
    expect(why({ about: dataset, from: producer, event })).toBeUndefined()
    expect(why({ about: dataset, from: rival, cachedFrom: producer, event })).toBe(cameFrom(producer))
  })

  it('does not count from a node that this node does not subscribe to for its type', () => {
    expect(why({ about: dataset, from: stranger, event })).toBe(unasked(DATASET.name))
    expect(why({ about: dataset, from: stranger, cachedFrom: producer, event })).toBe(unasked(DATASET.name))
    const other = generateBundle(OTHER.of('x'), dataset.contents, dataset.manifest.timestamp)
    expect(why({ about: other, from: producer, event })).toBe(unasked(OTHER.name))
  })

  it('passes to another provider once the node that it came from is gone, or never told of its changes', () => {
    expect(why({ about: dataset, from: rival, cachedFrom: gone, event })).toBeUndefined()
    expect(why({ about: dataset, from: rival, cachedFrom: keeper, event })).toBeUndefined()
    expect(why({ about: dataset, from: stranger, cachedFrom: gone, event })).toBe(unasked(DATASET.name))
  })

  it('never counts from another when it is our own', () => {
    const ours = 'only this node changes its own knowledge'
    for (const mode of ['origin', 'open'] as const) {
      expect(why({ about: dataset, from: producer, cachedFrom: us, event, mode, firstContact: producer })).toBe(ours)
    }
  })

  it('counts from anyone in open mode', () => {
    expect(why({ about: dataset, from: stranger, event, mode: 'open' })).toBeUndefined()
    expect(why({ about: dataset, from: stranger, cachedFrom: producer, event, mode: 'open' })).toBeUndefined()
    expect(
      why({ about: profileOf(producer), from: stranger, cachedFrom: producer, event, mode: 'open' }),
    ).toBeUndefined()
  })
})

describe('what was asked for', () => {
  it('counts where nothing is known yet, and does not replace what its origin speaks for', () => {
    expect(why({ about: dataset, from: stranger })).toBeUndefined()
    expect(why({ about: dataset, from: rival, cachedFrom: gone })).toBeUndefined()
    expect(why({ about: dataset, from: rival, cachedFrom: producer })).toBe(cameFrom(producer))
  })
})

describe.each(CHANGES)('a %s of a node', (event) => {
  const about = profileOf(stranger)

  it('counts from the node itself, wherever its profile came from', () => {
    expect(why({ about, from: stranger, event })).toBeUndefined()
    expect(why({ about, from: stranger, cachedFrom: keeper, event })).toBeUndefined()
  })

  it('counts from the first contact, subscribed to or not', () => {
    const question = { about, from: producer, cachedFrom: stranger, event }
    expect(why(question)).toBe(unprovided(KOI_NET_NODE.name))
    expect(why({ ...question, firstContact: producer })).toBeUndefined()
  })

  it('counts from a coordinator while nobody else told of it, and from the one that told', () => {
    expect(why({ about, from: keeper, event })).toBeUndefined()
    expect(why({ about, from: keeper, cachedFrom: keeper, event })).toBeUndefined()
    expect(why({ about, from: rival, cachedFrom: keeper, event })).toBe(cameFrom(keeper))
  })

  it('does not count from a third node once the node itself told of it', () => {
    expect(why({ about, from: rival, cachedFrom: stranger, event })).toBe(cameFrom(stranger))
    expect(why({ about, from: keeper, cachedFrom: stranger, event })).toBe(cameFrom(stranger))
  })

  it('does not count because the node that told of it provides no events of nodes', () => {
    expect(why({ about, from: rival, cachedFrom: producer, event })).toBe(cameFrom(producer))
  })
})

describe.each(CHANGES)('a %s of an edge between others', (event) => {
  const about = edgeBetween(producer, stranger)

  it('counts from its two ends', () => {
    for (const from of [producer, stranger]) {
      expect(why({ about, from, event: event === 'FORGET' ? 'NEW' : event })).toBeUndefined()
      expect(why({ about, from, cachedFrom: keeper, event })).toBeUndefined()
    }
  })

  it('does not count from a third node, unless that is the first contact or told of it before', () => {
    expect(why({ about, from: rival, cachedFrom: producer, event })).toBe(cameFrom(producer))
    expect(why({ about, from: rival, cachedFrom: producer, event, firstContact: rival })).toBeUndefined()
    expect(why({ about, from: keeper, cachedFrom: keeper, event })).toBeUndefined()
    const other = edgeBetween(producer, keeper)
    expect(why({ about: other, from: stranger, cachedFrom: producer, event })).toBe(unprovided(KOI_NET_EDGE.name))
    expect(why({ about, from: coordinator, cachedFrom: producer, event })).toBe(unasked(KOI_NET_EDGE.name))
  })
})

describe('an edge that is not cached', () => {
  const about = edgeBetween(producer, stranger)

  it('counts from its ends and from whom edges are asked of, once its contents are here', () => {
    expect(why({ about, from: stranger, event: 'NEW' })).toBeUndefined()
    expect(why({ about, from: keeper, event: 'NEW' })).toBeUndefined()
    expect(why({ about: edgeBetween(producer, rival), from: stranger, event: 'NEW' })).toBe(
      unprovided(KOI_NET_EDGE.name),
    )
  })

  it('is asked about again when its contents are here', () => {
    expect(
      why({ about: edgeBetween(producer, rival), from: stranger, event: 'NEW', withoutContents: true }),
    ).toBeUndefined()
  })
})
