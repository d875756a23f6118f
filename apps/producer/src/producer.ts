import { backendOf } from '@koi-mcp/backends'
import { ProducerNode } from '@koi-mcp/core'
import { nodeOptions } from '@koi-mcp/platform'
import type { NodeContext, ServiceDefinition } from '@koi-mcp/platform'
import { AppModule } from './app.module.ts'
import { catalogConfig, check, defaults, domains } from './config.ts'
import { FolderCatalog } from './folder-catalog.ts'

export const createProducerFromConfig = (context: NodeContext): ProducerNode =>
  new ProducerNode({ ...nodeOptions(context, domains()), ...backendOf(context.settings) })

/** The service that turns sources into knowledge and publishes it: a folder of data files, and whatever is given to `POST /publish`. */
export const producer: ServiceDefinition<ProducerNode> = {
  role: 'producer',
  defaults,
  domains: domains().map(({ name }) => name),
  check,
  createNode: createProducerFromConfig,
  assemble: (service) => {
    const { folder, ...config } = catalogConfig(service.settings) ?? {}
    const companions = folder === undefined ? [] : [new FolderCatalog(service, { ...config, folder })]
    return { module: AppModule.for(service), companions }
  },
}
