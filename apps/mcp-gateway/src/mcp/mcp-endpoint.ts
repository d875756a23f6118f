import { createMcpHandler } from '@koi-mcp/mcp'
import type { McpHandler } from '@koi-mcp/mcp'
import type { ConsumerNode } from '@koi-mcp/core'
import type { Companion, Service } from '@koi-mcp/platform'
import { accessWarning, allowedHosts } from '../config.ts'
import { mcpMetrics } from './mcp-metrics.ts'

/** The MCP server over what the node knows; there is one once the node has started, and none after it begins to stop. */
export class McpEndpoint implements Companion {
  readonly #service: Service<ConsumerNode>
  #handler: McpHandler | undefined

  constructor(service: Service<ConsumerNode>) {
    this.#service = service
  }

  get handler(): McpHandler | undefined {
    return this.#handler
  }

  start(): Promise<void> {
    const { node, version, log, settings, metrics } = this.#service
    const warning = accessWarning(settings)
    if (warning !== undefined) log.warn(warning)
    this.#handler = createMcpHandler({
      knowledge: node.knowledge,
      adapters: node.adapters,
      changes: (listener) => node.onChange(listener),
      ridTypes: [...node.registry.ridTypes.values()],
      name: 'koi-mcp',
      version,
      log,
      observer: metrics && mcpMetrics(metrics.prometheus, () => this.#handler?.load),
      allowedHosts: allowedHosts(settings),
    })
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    await this.#handler?.close()
  }
}
