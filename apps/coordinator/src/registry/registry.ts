import { nodeNameOf, ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { CoordinatorNode, DomainExtension, KnowledgeAdapter, ListOptions, StoredBundle } from '@koi-mcp/core'

/** What the registry is made from; a `CoordinatorNode` fits it. */
export type RegistryNode = Pick<CoordinatorNode, 'registry' | 'knowledge' | 'graph' | 'adapters' | 'identity'>

interface TypeEntry {
  readonly rid_type: string
  readonly count: number
}

/** The body of `GET /registry`: what is known, by domain and type. `others` are of no domain here; the network's own types are among them. */
export interface RegistryOverview {
  readonly total: number
  readonly domains: readonly {
    readonly name: string
    readonly types: readonly TypeEntry[]
    readonly schemas: readonly string[]
    readonly adapters: readonly string[]
  }[]
  readonly others: readonly TypeEntry[]
}

export async function registryOverview({ registry, knowledge }: RegistryNode): Promise<RegistryOverview> {
  const counts = await knowledge.countByType()
  const domains = [...registry.extensions].map(([name, extension]) => ({
    name,
    types: extension.ridTypes.map((type) => ({ rid_type: type.name, count: counts.get(type.name) ?? 0 })),
    schemas: extension.schemas.map(schemaName),
    adapters: extension.adapters.map((adapter) => adapter.name),
  }))
  const others = [...counts]
    .filter(([type]) => !registry.ridTypes.has(type))
    .map(([rid_type, count]) => ({ rid_type, count }))
  return { total: [...counts.values()].reduce((sum, count) => sum + count, 0), domains, others: others.sort(byType) }
}

export interface EntityEntry {
  readonly rid: string
  readonly rid_type: string
  /** Absent: of a type that no domain here knows. */
  readonly domain?: string
  readonly name?: string
  readonly title?: string | undefined
  readonly description?: string | undefined
  /** The node it came from; `null` = the coordinator itself. */
  readonly origin: string | null
  readonly timestamp: string
}

/** A page of entities in the order of their RIDs, and the `after` of the next page. */
export async function listEntities(
  node: RegistryNode,
  { types, after, limit }: Required<Pick<ListOptions, 'types' | 'after'>> & { readonly limit: number },
): Promise<{ readonly entities: readonly EntityEntry[]; readonly next: Rid | null }> {
  const bundles = await node.knowledge.listBundles({ types, after, limit: limit + 1 })
  const page = bundles.slice(0, limit)
  return {
    entities: page.map((entity) => entityEntry(node, entity)),
    next: bundles.length > limit ? (page.at(-1)?.rid ?? null) : null,
  }
}

function entityEntry({ registry, adapters }: RegistryNode, entity: StoredBundle): EntityEntry {
  const { rid, bundle, origin = null } = entity
  const rid_type = ridTypeOf(rid)
  const domain = [...registry.extensions].find(([, extension]) => hasType(extension, rid_type))?.[0]
  const adapter = [...adapters.values()].find(({ ridTypes }) => ridTypes.some(({ name }) => name === rid_type))
  const described = adapter === undefined ? undefined : description(adapter, entity)
  const { timestamp } = bundle.manifest
  return { rid, rid_type, ...(domain !== undefined && { domain }), ...described, origin, timestamp }
}

export interface NodeEntry {
  readonly rid: string
  readonly name: string
  readonly node_type: string
  readonly base_url: string | null
  readonly provides: { readonly event: readonly string[]; readonly state: readonly string[] }
  /** Who it hears from, and of what. */
  readonly subscriptions: readonly {
    readonly provider: string
    readonly status: string
    readonly rid_types: readonly string[]
  }[]
}

/** Every node of the network, the coordinator included. */
export function listNodes({ graph, identity }: RegistryNode): readonly NodeEntry[] {
  const others = graph.nodes().filter((rid) => rid !== identity.rid)
  return [identity.rid, ...others].flatMap((rid) => {
    const profile = rid === identity.rid ? identity.profile : graph.profile(rid)
    if (profile === undefined) return []
    const incoming = graph.edgesOf(rid).filter((edge) => edge.profile.target === rid)
    return {
      rid,
      name: nodeNameOf(rid),
      node_type: profile.node_type,
      base_url: profile.base_url ?? null,
      provides: { event: profile.provides.event, state: profile.provides.state },
      subscriptions: incoming.map(({ profile: { source, status, rid_types } }) => ({
        provider: source,
        status,
        rid_types,
      })),
    }
  })
}

function hasType(extension: DomainExtension, ridType: string): boolean {
  return extension.ridTypes.some(({ name }) => name === ridType)
}

/** An adapter that fails on one entity leaves it without a description. */
function description(adapter: KnowledgeAdapter, entity: StoredBundle) {
  try {
    return adapter.describe?.(entity)
  } catch {
    return undefined
  }
}

function schemaName(registration: DomainExtension['schemas'][number]): string {
  return typeof registration === 'function' ? registration.name : registration.schema.name
}

function byType(a: TypeEntry, b: TypeEntry): number {
  return a.rid_type < b.rid_type ? -1 : 1
}
