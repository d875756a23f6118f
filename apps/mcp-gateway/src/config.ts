import { DataCatalogExtension } from '@koi-mcp/data-catalog'
import type { DomainExtension } from '@koi-mcp/core'
import type { KoiMcpSettings } from '@koi-mcp/platform'

/** Under file and variables: what the gateway is called and where it listens. */
export const defaults = { node: { name: 'mcp-gateway', port: 9002 } }

/** The kinds of knowledge that this gateway follows and serves; `domains.<name>.enabled` switches one off. */
export const domains = (): readonly DomainExtension[] => [new DataCatalogExtension()]

/**
 * The names under which clients may call `/mcp`. Listening on this machine alone, its own names (the handler's default), so that no web page gets
 * in by a name of its own; listening for others, whatever name they have for this host.
 */
export function allowedHosts({ node }: KoiMcpSettings): readonly string[] | undefined {
  return node.host === 'localhost' || node.host === '::1' || node.host.startsWith('127.') ? undefined : ['*']
}
