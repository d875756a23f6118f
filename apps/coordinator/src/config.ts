import { DataCatalogExtension } from '@koi-mcp/data-catalog'
import type { DomainExtension } from '@koi-mcp/core'

/** Under file and variables: what the coordinator is called and where it listens. */
export const defaults = { node: { name: 'coordinator', port: 9000 } }

/** The kinds of knowledge that this coordinator keeps a registry of; `domains.<name>.enabled` switches one off. */
export const domains = (): readonly DomainExtension[] => [new DataCatalogExtension()]
