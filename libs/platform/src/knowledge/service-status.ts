import type { Rid } from '@koi-mcp/protocol'
import { lostDependencies } from '../health/lost-dependencies.ts'
import type { Service } from '../service/service.ts'

interface PeerStatus {
  readonly rid: string
  readonly node_type: string
  readonly base_url: string | null
  /** `in`: it provides, we subscribe. `out`: it subscribes to us. */
  readonly edges: readonly {
    readonly direction: 'in' | 'out'
    readonly status: string
    readonly rid_types: readonly string[]
  }[]
  readonly queued: number
  readonly failures: number
  readonly last_error: string | null
}

/** The body of `GET /api/status`. */
export interface ServiceStatus {
  readonly role: string
  readonly name: string
  readonly version: string
  readonly node_rid: string
  readonly base_url: string | null
  readonly state: string
  readonly degraded: readonly string[]
  readonly counts: { readonly total: number; readonly by_type: Readonly<Record<string, number>> }
  readonly queues: {
    readonly inbox: { readonly pending: number; readonly dead_letters: number }
    readonly outbox: { readonly queued: number; readonly targets: number }
  }
  readonly peers: readonly PeerStatus[]
}

export async function serviceStatus(service: Service): Promise<ServiceStatus> {
  const { node, role, version, readiness } = service
  const [counts, inbox, outbox, degraded] = await Promise.all([
    node.knowledge.countByType(),
    node.store.inboxState(),
    node.store.outboxState(),
    lostDependencies(service),
  ])
  const others = node.graph.nodes().filter((rid) => rid !== node.identity.rid)
  const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0)
  return {
    role,
    name: node.identity.name,
    version,
    node_rid: node.identity.rid,
    base_url: node.identity.profile.base_url ?? null,
    state: readiness.state,
    degraded,
    counts: {
      total: sum(counts.values()),
      by_type: Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
    queues: {
      inbox: { pending: inbox.pending, dead_letters: inbox.deadLetters },
      outbox: { queued: sum(outbox.map(({ queued }) => queued)), targets: outbox.length },
    },
    peers: others.map((rid) =>
      peerStatus(
        service,
        rid,
        outbox.find(({ target }) => target === rid),
      ),
    ),
  }
}

type Delivery =
  { readonly queued: number; readonly failures: number; readonly lastError?: string | undefined } | undefined

function peerStatus({ node: { graph, identity } }: Service, rid: Rid, delivery: Delivery): PeerStatus {
  const profile = graph.profile(rid)
  const between = graph
    .edgesOf(rid)
    .filter(({ profile: { source, target } }) => [source, target].includes(identity.rid))
  return {
    rid,
    node_type: profile?.node_type ?? 'unknown',
    base_url: profile?.base_url ?? null,
    edges: between.map(({ profile: edge }) => ({
      direction: edge.source === rid ? 'in' : 'out',
      status: edge.status,
      rid_types: edge.rid_types,
    })),
    queued: delivery?.queued ?? 0,
    failures: delivery?.failures ?? 0,
    last_error: delivery?.lastError ?? null,
  }
}
