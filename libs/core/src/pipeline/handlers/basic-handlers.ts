import { compareTimestamps, KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { StoredBundle } from '../../store/node-store.ts'
import type { HandlerFunction, HandlerResult, ProcessorContext } from '../handler.ts'
import { STOP_CHAIN } from '../handler.ts'
import type { KnowledgeObject } from '../knowledge-object.ts'

/** Nobody else may speak about this node's own RID; a FORGET means delete. (`BasicRidHandler`) */
export const basicRidHandler: HandlerFunction = async (processor, kobj): Promise<HandlerResult> => {
  if (kobj.rid === processor.identity.rid && kobj.source !== undefined) {
    processor.log.debug('dropped: only this node speaks about itself', { peer: kobj.source })
    return STOP_CHAIN
  }
  if (kobj.eventType !== 'FORGET') return undefined
  if (isOursAlone(kobj, await processor.read(kobj.rid))) return dropForeign(processor, kobj)
  return { ...kobj, normalizedEventType: 'FORGET' }
}

/**
 * What this node made itself, nobody else changes or forgets; the reference lets anyone. (Edges have two ends: `EdgeNegotiationHandler` sees to
 * them.)
 */
function isOursAlone({ rid, source }: KnowledgeObject, cached: StoredBundle | undefined): boolean {
  if (source === undefined || cached === undefined || cached.origin !== undefined) return false
  return ridTypeOf(rid) !== KOI_NET_EDGE.name
}

function dropForeign({ log }: ProcessorContext, { rid, source }: KnowledgeObject): typeof STOP_CHAIN {
  log.warn('dropped: only this node changes its own knowledge', { rid, peer: source })
  return STOP_CHAIN
}

/** Same hash or not newer: nothing to do. Else NEW or UPDATE, by what is cached. (`BasicManifestHandler`) */
export const basicManifestHandler: HandlerFunction = async (processor, kobj) => {
  if (kobj.manifest === undefined) return undefined
  const cached = await processor.read(kobj.rid)
  if (cached === undefined) return { ...kobj, normalizedEventType: 'NEW' }
  const known = cached.bundle.manifest
  if (known.sha256_hash === kobj.manifest.sha256_hash) return STOP_CHAIN
  if (isOursAlone(kobj, cached)) return dropForeign(processor, kobj)
  if (compareTimestamps(kobj.manifest.timestamp, known.timestamp) <= 0) {
    processor.log.debug('dropped: not newer than what is cached', { rid: kobj.rid, peer: kobj.source })
    return STOP_CHAIN
  }
  return { ...kobj, normalizedEventType: 'UPDATE' }
}

/** Network targets are those of `outputTargets`. (`BasicNetworkOutputFilter`) */
export const basicNetworkOutputFilter: HandlerFunction = (processor, kobj) => ({
  ...kobj,
  networkTargets: outputTargets(processor, kobj),
})

/**
 * Whom this node owes the news: the subscribers of a type that it provides; of its own profile and edges always; of an edge also
 * its other end; never the node that the news came from.
 */
export function outputTargets({ identity, graph }: ProcessorContext, kobj: KnowledgeObject): ReadonlySet<Rid> {
  const type = ridTypeOf(kobj.rid)
  const targets = new Set<Rid>(kobj.networkTargets)
  let ours = false
  if (kobj.source === undefined && type === KOI_NET_NODE.name) ours = kobj.rid === identity.rid
  if (kobj.source === undefined && type === KOI_NET_EDGE.name && kobj.contents !== undefined) {
    const { source, target } = parseEdgeProfile(kobj.contents)
    ours = source === identity.rid || target === identity.rid
    if (ours) targets.add(source === identity.rid ? target : source)
  }
  if (ours || identity.profile.provides.event.includes(type)) {
    for (const subscriber of graph.subscribers(type)) targets.add(subscriber)
  }
  if (kobj.source !== undefined) targets.delete(kobj.source)
  targets.delete(identity.rid)
  return targets
}
