import { compareTimestamps, KOI_NET_EDGE, KOI_NET_NODE, parseEdgeProfile, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { whyWithoutAuthority } from '../../security/authority.ts'
import type { AuthorityRules } from '../../security/authority.ts'
import type { HandlerFunction, HandlerResult, ProcessorContext } from '../handler.ts'
import { STOP_CHAIN } from '../handler.ts'
import type { KnowledgeObject } from '../knowledge-object.ts'

/** Nobody else may speak about this node's own RID, nor anyone without authority over another; a FORGET means delete. (`BasicRidHandler`) */
export const basicRidHandler =
  (authority: AuthorityRules): HandlerFunction =>
  async (processor, kobj): Promise<HandlerResult> => {
    if (kobj.rid === processor.identity.rid && kobj.source !== undefined) {
      processor.log.debug('dropped: only this node speaks about itself', { peer: kobj.source })
      return STOP_CHAIN
    }
    // With a manifest it is asked below: what is repeated is no news, and no offence either.
    if (kobj.manifest !== undefined) return undefined
    const cached = await processor.read(kobj.rid)
    if (kobj.eventType === 'FORGET' && cached === undefined) return STOP_CHAIN
    const why = whyWithoutAuthority(kobj, cached, processor, authority)
    if (why !== undefined) return dropped(processor, kobj, why)
    return kobj.eventType === 'FORGET' ? { ...kobj, normalizedEventType: 'FORGET' } : undefined
  }

function dropped({ log }: ProcessorContext, { rid, source }: KnowledgeObject, why: string): typeof STOP_CHAIN {
  log.warn(`dropped: ${why}`, { rid, peer: source })
  return STOP_CHAIN
}

/** Same hash or not newer: nothing to do. Else NEW or UPDATE, by what is cached. (`BasicManifestHandler`) */
export const basicManifestHandler =
  (authority: AuthorityRules): HandlerFunction =>
  async (processor, kobj) => {
    if (kobj.manifest === undefined) return undefined
    const cached = await processor.read(kobj.rid)
    const known = cached?.bundle.manifest
    if (known?.sha256_hash === kobj.manifest.sha256_hash) return STOP_CHAIN
    if (known !== undefined && compareTimestamps(kobj.manifest.timestamp, known.timestamp) <= 0) {
      processor.log.debug('dropped: not newer than what is cached', { rid: kobj.rid, peer: kobj.source })
      return STOP_CHAIN
    }
    const why = whyWithoutAuthority(kobj, cached, processor, authority)
    if (why !== undefined) return dropped(processor, kobj, why)
    return { ...kobj, normalizedEventType: cached === undefined ? 'NEW' : 'UPDATE' }
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
