import { KOI_NET_NODE } from '@koi-mcp/protocol'
import { KoiNode } from './koi-node.ts'
import type { NodeOptions } from './node-options.ts'

/** A node that publishes its domains' knowledge and tells its subscribers. */
export class ProducerNode extends KoiNode {
  constructor(options: NodeOptions) {
    super(
      options,
      ({ ridTypes }) => ({
        role: 'producer',
        provides: { event: [...ridTypes.keys()], state: [...ridTypes.keys()] },
        interest: [KOI_NET_NODE.name],
      }),
      [],
    )
  }
}
