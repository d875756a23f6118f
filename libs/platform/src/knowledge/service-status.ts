import type { LapsedTarget, OutboxTargetState } from '@koi-mcp/core'
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
  /** Since when the oldest of it waits; ISO 8601, UTC. */
  readonly queued_since: string | null
  readonly failures: number
  readonly last_error: string | null
  /** Since when its events are given up (`network.delivery_retention`): when it is back it is told the state of then. */
  readonly lapsed_since: string | null
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
    readonly outbox: {
      readonly queued: number
      readonly targets: number
      readonly oldest_at: string | null
      readonly lapsed_targets: number
    }
  }
  readonly peers: readonly PeerStatus[]
}

export async function serviceStatus(service: Service): Promise<ServiceStatus> {
  const { node, role, version, readiness } = service
  const [counts, inbox, outbox, lapsed, degraded] = await Promise.all([
    node.knowledge.countByType(),
    node.store.inboxState(),
    node.store.outboxState(),
    node.store.lapsedTargets(),
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
      outbox: {
        queued: sum(outbox.map(({ queued }) => queued)),
        targets: outbox.length,
        oldest_at: isoOf(outbox.reduce((oldest, { oldestAt }) => Math.min(oldest, oldestAt), Infinity)),
        lapsed_targets: lapsed.length,
      },
    },
    peers: others.map((rid) =>
      peerStatus(
        service,
        rid,
        outbox.find(({ target }) => target === rid),
        lapsed.find(({ target }) => target === rid),
      ),
    ),
  }
}

function peerStatus(
  { node: { graph, identity } }: Service,
  rid: Rid,
  waiting: OutboxTargetState | undefined,
  lapsed: LapsedTarget | undefined,
): PeerStatus {
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
    queued: waiting?.queued ?? 0,
    queued_since: isoOf(waiting?.oldestAt),
    failures: waiting?.failures ?? 0,
    last_error: waiting?.lastError ?? lapsed?.lastError ?? null,
    lapsed_since: isoOf(lapsed?.lapsedAt),
  }
}

function isoOf(ms = Infinity): string | null {
  return ms === Infinity ? null : new Date(ms).toISOString()
}
