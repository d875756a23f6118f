import type { DomainExtension, NodeOptions } from '@koi-mcp/core'
import { ObservedDomain } from '../metrics/observed-domain.ts'
import type { NodeContext } from '../service/start-service.ts'

/** The second step of configuration: settings to what a node is made of. Of the domains, those that are enabled. */
export function nodeOptions(
  { settings, baseUrl, log, metrics }: NodeContext,
  domains: readonly DomainExtension[],
): NodeOptions & { readonly baseUrl: string } {
  const { node, network, persistence, security } = settings
  const enabled = domains.filter(({ name }) => settings.domains[name]?.enabled !== false)
  return {
    name: node.name,
    baseUrl,
    listen: false,
    state: persistence.storage_path,
    durability: persistence.durability,
    privateKeyFile: node.private_key_file,
    ttlMs: persistence.ttl === undefined ? undefined : persistence.ttl * 1000,
    keyPassword: node.private_key_password,
    domains: metrics === undefined ? enabled : enabled.map((domain) => new ObservedDomain(domain, metrics.prometheus)),
    firstContact: network.first_contact,
    firstContactRid: network.first_contact_rid,
    network: {
      connectTimeoutMs: network.connect_timeout * 1000,
      requestTimeoutMs: network.request_timeout * 1000,
      maxRetries: network.max_retries,
      backoffFactor: network.backoff_factor,
      deliveryRetentionMs: network.delivery_retention * 1000,
      maxNodes: network.max_nodes,
      maxClockSkewMs: network.max_clock_skew * 1000,
    },
    security: { authority: security.authority, peers: security.peers, peerTypes: security.peer_types },
    log,
    observer: metrics?.observer,
  }
}
