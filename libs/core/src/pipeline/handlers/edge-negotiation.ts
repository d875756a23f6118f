import { KOI_NET_EDGE, KOI_NET_NODE, edgeProfileContents, edgeRid, parseEdgeProfile } from '@koi-mcp/protocol'
import type { Contents, EdgeProfile, Rid } from '@koi-mcp/protocol'
import { whyWithoutAuthority } from '../../security/authority.ts'
import type { SecurityRules } from '../../security/security-rules.ts'
import type { Subscriptions } from '../subscriptions.ts'
import type { HandlerFunction, HandlerResult, ProcessorContext } from '../handler.ts'
import { STOP_CHAIN } from '../handler.ts'
import type { KnowledgeObject } from '../knowledge-object.ts'
import type { Capacity } from './capacity.ts'
import { MAX_NETWORK_BYTES } from './profile-fault.ts'

/**
 * Approves, refuses or drops edges that come from outside. An edge of ours is believed, and forgotten, only from its other end, and never
 * when it arrives approved without our proposal (the reference takes both). (`EdgeNegotiationHandler`; wire: Handshake and edges, 4)
 */
export const edgeNegotiationHandler =
  (subscriptions: Subscriptions, security: SecurityRules, capacity: Capacity): HandlerFunction =>
  (processor, kobj) => {
    if (kobj.contents === undefined) return undefined
    if (kobj.normalizedEventType === 'FORGET') return forgetting(processor, kobj, kobj.contents)
    const bytes = Buffer.byteLength(kobj.contents.text)
    if (bytes > MAX_NETWORK_BYTES) {
      return drop(processor, kobj, `an edge of ${bytes} bytes, more than ${MAX_NETWORK_BYTES}`)
    }
    let edge: EdgeProfile
    try {
      edge = parseEdgeProfile(kobj.contents)
    } catch (error) {
      return drop(processor, kobj, `malformed edge: ${String(error)}`)
    }
    if (kobj.rid !== edgeRid(edge.source, edge.target))
      return drop(processor, kobj, 'the edge RID is not that of its ends')
    if (edge.source === edge.target) return drop(processor, kobj, 'an edge from a node to itself')
    const self = processor.identity.rid
    if (kobj.source === undefined) return byThisNode(processor, kobj, edge)
    if (edge.source === self) return asProvider(processor, kobj, edge, security)
    if (edge.target === self) return asSubscriber(processor, kobj, edge, subscriptions)
    return betweenOthers(processor, { ...kobj, source: kobj.source }, security, capacity)
  }

/** Its contents may have been fetched only now. */
async function betweenOthers(
  processor: ProcessorContext,
  kobj: KnowledgeObject & { readonly source: Rid },
  security: SecurityRules,
  capacity: Capacity,
): Promise<HandlerResult> {
  const why = whyWithoutAuthority(kobj, await processor.read(kobj.rid), processor, security)
  if (why !== undefined) return drop(processor, kobj, why)
  const isNew = kobj.normalizedEventType === 'NEW'
  return isNew && !capacity.hasRoomForEdge(processor, kobj.rid, kobj.source) ? STOP_CHAIN : undefined
}

/** Of edges between others it was asked before; our own word, such as behind a forgotten node, counts always. */
function forgetting(processor: ProcessorContext, kobj: KnowledgeObject, cached: Contents): HandlerResult {
  const { source, target } = parseEdgeProfile(cached)
  const isOurs = [source, target].includes(processor.identity.rid)
  if (kobj.source === undefined || !isOurs || [source, target].includes(kobj.source)) return undefined
  return drop(processor, kobj, 'only its two ends forget an edge of this node')
}

/** What this node said of an edge of its own, and had to wait its turn: meanwhile the other end may have gone, and it would stand for ever. */
async function byThisNode(
  processor: ProcessorContext,
  kobj: KnowledgeObject,
  edge: EdgeProfile,
): Promise<HandlerResult> {
  const self = processor.identity.rid
  if (![edge.source, edge.target].includes(self)) return undefined
  const peer = edge.source === self ? edge.target : edge.source
  if ((await processor.read(peer)) === undefined) {
    processor.log.info('an edge is left out: the node at its other end was forgotten meanwhile', {
      rid: kobj.rid,
      peer,
    })
    return STOP_CHAIN
  }
  return edge.target === self ? proposing(processor, kobj, edge) : undefined
}

/** Another process of this node may have proposed the same at the same moment: what stands by now would be undone. */
async function proposing(
  processor: ProcessorContext,
  { rid }: KnowledgeObject,
  edge: EdgeProfile,
): Promise<HandlerResult> {
  const cached = await processor.read(rid)
  const standing = cached && parseEdgeProfile(cached.bundle.contents)
  if (standing === undefined || edge.status !== 'PROPOSED') return undefined
  return standing.rid_types.join() === edge.rid_types.join() ? STOP_CHAIN : undefined
}

function asProvider(
  processor: ProcessorContext,
  kobj: KnowledgeObject,
  edge: EdgeProfile,
  { peers }: SecurityRules,
): HandlerResult {
  const { identity, graph, log } = processor
  if (kobj.source !== edge.target) return drop(processor, kobj, 'only the subscriber itself proposes its edge')
  if (edge.status !== 'PROPOSED')
    return drop(processor, kobj, 'an edge of ours arrived approved; only this node approves it')
  const peer = graph.profile(edge.target)
  if (peer === undefined) return drop(processor, kobj, 'the subscriber is unknown to this node')
  const provided = new Set([...identity.profile.provides.event, KOI_NET_NODE.name, KOI_NET_EDGE.name])
  const unlisted = edge.rid_types.filter((type) => peers?.allows(edge.target, type) === false)
  const lacking = edge.rid_types.filter((type) => !provided.has(type))
  const refusal =
    edge.edge_type === 'WEBHOOK' && peer.node_type === 'PARTIAL'
      ? 'a partial node cannot have a webhook edge'
      : lacking.length > 0
        ? `this node does not provide ${lacking.join(', ')}`
        : unlisted.length > 0
          ? `it is not listed for ${unlisted.join(', ')} (security.peer_types)`
          : undefined
  if (refusal !== undefined) {
    log.info(`refused a subscription: ${refusal}`, { peer: edge.target, rid: kobj.rid })
    processor.send(edge.target, { eventType: 'FORGET', rid: kobj.rid })
    return STOP_CHAIN
  }
  log.info('approved a subscription', { peer: edge.target, types: edge.rid_types })
  processor.push({
    rid: kobj.rid,
    eventType: 'UPDATE',
    contents: edgeProfileContents({ ...edge, status: 'APPROVED' }),
  })
  return undefined
}

async function asSubscriber(
  processor: ProcessorContext,
  kobj: KnowledgeObject,
  edge: EdgeProfile,
  subscriptions: Subscriptions,
): Promise<HandlerResult> {
  if (kobj.source !== edge.source)
    return drop(processor, kobj, 'only the provider itself speaks of its edge to this node')
  if (edge.status !== 'APPROVED') return drop(processor, kobj, 'only the subscriber itself proposes its edge')
  if ((await processor.read(kobj.rid)) === undefined) {
    return drop(processor, kobj, 'an edge arrived approved that this node did not propose')
  }
  // Whom this node subscribes to for a type is believed about that type.
  const profile = processor.graph.profile(edge.source)
  const wanted = profile === undefined ? [] : subscriptions.wantedOf(edge.source, profile)
  const unasked = edge.rid_types.filter((type) => !wanted.includes(type))
  if (unasked.length > 0) {
    return drop(processor, kobj, `an edge arrived approved for ${unasked.join(', ')}, which this node did not ask for`)
  }
  processor.log.info('subscribed', { peer: edge.source, types: edge.rid_types })
  return undefined
}

function drop(processor: ProcessorContext, kobj: KnowledgeObject, why: string): typeof STOP_CHAIN {
  processor.log.warn(`dropped: ${why}`, { rid: kobj.rid, peer: kobj.source })
  return STOP_CHAIN
}
