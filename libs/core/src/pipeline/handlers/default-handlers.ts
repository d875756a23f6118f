import { KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'
import type { SecurityRules } from '../../security/security-rules.ts'
import type { KnowledgeProcessor } from '../handler.ts'
import { HandlerType } from '../handler.ts'
import type { Subscriptions } from '../subscriptions.ts'
import { basicManifestHandler, basicNetworkOutputFilter, basicRidHandler } from './basic-handlers.ts'
import { Capacity } from './capacity.ts'
import { edgeNegotiationHandler } from './edge-negotiation.ts'
import {
  edgeLostHandler,
  forgetNodeHandler,
  handshakeHandler,
  nodeContactHandler,
  secureProfileHandler,
} from './node-handlers.ts'

const NODES = [KOI_NET_NODE]
const EDGES = [KOI_NET_EDGE]

/** What every node does with knowledge, before the handlers of its domains. */
export function registerDefaultHandlers(
  processor: KnowledgeProcessor,
  subscriptions: Subscriptions,
  security: SecurityRules,
): void {
  processor.registerHandler(HandlerType.Rid, { name: 'basicRid' }, basicRidHandler(security))
  processor.registerHandler(HandlerType.Manifest, { name: 'basicManifest' }, basicManifestHandler(security))
  processor.registerHandler(HandlerType.Bundle, { name: 'secureProfile', ridTypes: NODES }, secureProfileHandler)
  const capacity = new Capacity(security)
  processor.registerHandler(HandlerType.Bundle, { name: 'nodeCapacity', ridTypes: NODES }, capacity.nodes)
  const negotiation = edgeNegotiationHandler(subscriptions, security, capacity)
  processor.registerHandler(HandlerType.Bundle, { name: 'edgeNegotiation', ridTypes: EDGES }, negotiation)
  processor.registerHandler(HandlerType.Network, { name: 'networkOutput' }, basicNetworkOutputFilter)
  processor.registerHandler(
    HandlerType.Network,
    { name: 'nodeContact', ridTypes: NODES },
    nodeContactHandler(subscriptions),
  )
  processor.registerHandler(HandlerType.Final, { name: 'forgetNode', ridTypes: NODES }, forgetNodeHandler)
  processor.registerHandler(HandlerType.Final, { name: 'edgeLost', ridTypes: EDGES }, edgeLostHandler(subscriptions))
}

/** What a coordinator does besides. */
export function registerCoordinatorHandlers(processor: KnowledgeProcessor, subscriptions: Subscriptions): void {
  processor.registerHandler(
    HandlerType.Network,
    { name: 'handshake', ridTypes: NODES },
    handshakeHandler(subscriptions),
  )
}
