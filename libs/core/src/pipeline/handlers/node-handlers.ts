import { parseEdgeProfile } from '@koi-mcp/protocol'
import type { HandlerFunction } from '../handler.ts'
import { STOP_CHAIN } from '../handler.ts'
import type { Subscriptions } from '../subscriptions.ts'
import { profileFault } from './profile-fault.ts'

/**
 * A profile is cached only when it is whole, its key hashes to its RID, a full node says where it is, and that is neither here nor
 * where nobody may call. The reference looks only at NEW and UPDATE events; here what catch-up brings is checked as well. (`SecureProfileHandler`)
 */
export const secureProfileHandler: HandlerFunction = (
  { identity, log },
  { rid, source, normalizedEventType, contents },
) => {
  if (normalizedEventType === 'FORGET' || contents === undefined) return undefined
  const fault = profileFault(rid, contents, identity)
  if (fault === undefined) return undefined
  log.warn(`dropped: node profile ${fault}`, { rid, peer: source })
  return STOP_CHAIN
}

/** Subscribes to full nodes that provide what this node wants. (`NodeContactHandler`) */
export const nodeContactHandler =
  (subscriptions: Subscriptions): HandlerFunction =>
  (processor, kobj) => {
    if (kobj.normalizedEventType === 'FORGET' || kobj.rid === processor.identity.rid) return
    const profile = processor.graph.profile(kobj.rid)
    if (profile === undefined) return
    // A node met anew has forgotten its edges with us, and its old ones here go: start over, whatever the graph still holds.
    subscriptions.contact(processor, kobj.rid, profile, { afresh: kobj.normalizedEventType === 'NEW' })
  }

/**
 * The coordinator's answer to a node that introduces itself: this node's profile, in front of the edge proposed by `nodeContactHandler` (or here,
 * where the newcomer was known) and delivered together with it. (`koi_net_coordinator_node` `HandshakeHandler`; wire: Handshake, 2)
 */
export const handshakeHandler =
  (subscriptions: Subscriptions): HandlerFunction =>
  async (processor, kobj) => {
    if (kobj.eventType !== 'NEW' || kobj.source !== kobj.rid || kobj.normalizedEventType === 'FORGET') return
    const profile = processor.graph.profile(kobj.rid)
    const own = await processor.read(processor.identity.rid)
    if (profile === undefined || own === undefined) return
    processor.log.info('handshake', { peer: kobj.rid })
    processor.send(kobj.rid, { eventType: 'NEW', rid: own.rid, bundle: own.bundle })
    if (kobj.normalizedEventType === 'UPDATE') subscriptions.contact(processor, kobj.rid, profile, { afresh: true })
  }

/** Forgetting a node forgets its edges. (`ForgetNodeHandler`) */
export const forgetNodeHandler: HandlerFunction = (processor, kobj) => {
  if (kobj.normalizedEventType !== 'FORGET') return
  for (const edge of processor.graph.edgesOf(kobj.rid)) processor.push({ rid: edge.rid, eventType: 'FORGET' })
}

/**
 * An approved edge to us that its provider forgot (it met us anew, or lost its state) is proposed once more; one refused while still
 * proposed is left. The reference stays unsubscribed until its next start.
 */
export const edgeLostHandler =
  (subscriptions: Subscriptions): HandlerFunction =>
  (processor, kobj) => {
    if (kobj.normalizedEventType !== 'FORGET' || kobj.source === undefined || kobj.contents === undefined) return
    const edge = parseEdgeProfile(kobj.contents)
    if (edge.target !== processor.identity.rid || edge.status !== 'APPROVED') return
    const profile = processor.graph.profile(edge.source)
    if (profile !== undefined) subscriptions.contact(processor, edge.source, profile, { afresh: false })
  }
