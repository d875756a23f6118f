import { DataCatalogExtension } from '@koi-mcp/data-catalog'
import type { DomainExtension } from '@koi-mcp/core'
import { isLoopback } from '@koi-mcp/platform'
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
  return isLoopback(node.host) ? undefined : ['*']
}

/** What whoever runs a gateway that listens for other machines may not have meant. */
export function accessWarning({ node, security }: KoiMcpSettings): string | undefined {
  if (isLoopback(node.host)) return undefined
  if (security.allow_anonymous_mcp) {
    return 'MCP is open to anybody who reaches this service (security.allow_anonymous_mcp)'
  }
  if (security.enable_auth || security.publish_token !== undefined) return undefined
  return 'only callers on this machine may use MCP: set security.enable_auth, security.publish_token or security.allow_anonymous_mcp to let others in'
}
