import { backendOf } from '@koi-mcp/backends'
import { CoordinatorNode } from '@koi-mcp/core'
import { nodeOptions } from '@koi-mcp/platform'
import type { NodeContext, ServiceDefinition } from '@koi-mcp/platform'
import { AppModule } from './app.module.ts'
import { defaults, domains } from './config.ts'

export const createCoordinatorFromConfig = (context: NodeContext): CoordinatorNode =>
  new CoordinatorNode({ ...nodeOptions(context, domains()), ...backendOf(context.settings) })

/** The service where the others meet, with its registry of what is known. */
export const coordinator: ServiceDefinition<CoordinatorNode> = {
  role: 'coordinator',
  defaults,
  domains: domains().map(({ name }) => name),
  createNode: createCoordinatorFromConfig,
  assemble: (service) => ({ module: AppModule.for(service) }),
}
