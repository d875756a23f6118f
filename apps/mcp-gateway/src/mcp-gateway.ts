import { backendOf } from '@koi-mcp/backends'
import { ConsumerNode } from '@koi-mcp/core'
import { nodeOptions } from '@koi-mcp/platform'
import type { NodeContext, ServiceDefinition } from '@koi-mcp/platform'
import { AppModule } from './app.module.ts'
import { defaults, domains } from './config.ts'
import { McpEndpoint } from './mcp/mcp-endpoint.ts'

export const createConsumerFromConfig = (context: NodeContext): ConsumerNode =>
  new ConsumerNode({ ...nodeOptions(context, domains()), ...backendOf(context.settings) })

/** The service that follows the network and serves what it knows over MCP. */
export const mcpGateway: ServiceDefinition<ConsumerNode> = {
  role: 'consumer',
  defaults,
  domains: domains().map(({ name }) => name),
  createNode: createConsumerFromConfig,
  assemble: (service) => {
    const mcp = new McpEndpoint(service)
    return { module: AppModule.for(service, mcp), companions: [mcp], ready: { mcp_url: `${service.url}/mcp` } }
  },
}
