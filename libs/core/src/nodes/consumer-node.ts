import { KOI_NET_NODE } from '@koi-mcp/protocol'
import { KoiNode } from './koi-node.ts'
import type { NodeOptions } from './node-options.ts'

/** A node that follows its domains' knowledge wherever it is published, and hands it to its adapters. Without a base URL it polls. */
export class ConsumerNode extends KoiNode {
  constructor(options: NodeOptions) {
    super(
      options,
      ({ ridTypes }) => ({
        role: 'consumer',
        provides: { event: [], state: [] },
        interest: [KOI_NET_NODE.name, ...ridTypes.keys()],
      }),
      [],
    )
  }
}
