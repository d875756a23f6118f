import { KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'
import { registerCoordinatorHandlers } from '../pipeline/handlers/default-handlers.ts'
import { KoiNode } from './koi-node.ts'
import type { NodeOptions } from './node-options.ts'

const NETWORK_TYPES = [KOI_NET_NODE.name, KOI_NET_EDGE.name]

export interface CoordinatorOptions extends NodeOptions {
  readonly baseUrl: string
  /** Where the coordinator listens when that is not the port of `baseUrl`; another name of `port`. */
  readonly registryPort?: number | undefined
}

/**
 * The node where the others meet: it answers handshakes, tells of nodes and edges, and follows its domains' knowledge so that it can say what is known
 * and serve it while its producer is away.
 */
export class CoordinatorNode extends KoiNode {
  constructor({ registryPort, ...options }: CoordinatorOptions) {
    super(
      registryPort === undefined ? options : { ...options, port: registryPort },
      ({ ridTypes }) => ({
        role: 'coordinator',
        provides: { event: NETWORK_TYPES, state: [...NETWORK_TYPES, ...ridTypes.keys()] },
        interest: [...NETWORK_TYPES, ...ridTypes.keys()],
      }),
      NETWORK_TYPES,
    )
    registerCoordinatorHandlers(this.handlers, this.subscriptions)
  }
}
