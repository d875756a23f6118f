import type { Service } from '../service/service.ts'
import { OTHER } from './bounded-label.ts'
import type { NodeSnapshot } from './node-snapshot.ts'
import { snapshots } from './node-snapshot.ts'
import type { GaugeValues, PrometheusMetrics } from './prometheus-metrics.ts'
import { subscriberValues } from './subscriber-values.ts'

type Shown = Pick<Service, 'node' | 'settings' | 'readiness'>
type One = GaugeValues<never>

const RID_TYPES = 50
const NONE: readonly never[] = []

/**
 * What a node is and holds, looked up at each scrape. `service` answers `undefined` until there is one. What is in the store is one value for
 * all processes of a node: take `max` of it, not `sum`.
 */
export function stateMetrics(metrics: PrometheusMetrics, service: () => Shown | undefined): void {
  let look: (() => Promise<NodeSnapshot>) | undefined
  const stored = async <V>(read: (found: NodeSnapshot) => V | undefined): Promise<V | undefined> => {
    const of = service()
    if (of === undefined) return undefined
    look ??= snapshots(of)
    return read(await look())
  }
  const live = <V>(read: (of: Shown) => V): V | undefined => {
    const of = service()
    return of === undefined || of.readiness.state === 'starting' ? undefined : read(of)
  }
  const number = (name: string, help: string, read: (found: NodeSnapshot) => number | undefined): void =>
    metrics.createGauge(name, help, NONE, async () => one(await stored(read)))

  metrics.createGauge('koi_mcp_ready', '1 while the service takes work, 0 while it starts or drains', NONE, () =>
    one(service()?.readiness.state === 'ready' ? 1 : 0),
  )
  metrics.createGauge(
    'koi_mcp_dependency_up',
    'What the service needs and can do without for a while: store, queue, first_contact; 0 where it is lost',
    ['dependency'],
    async () => {
      const lost = await stored((found) => found.lost)
      return lost === undefined
        ? NONE
        : dependenciesOf(service()).map((dependency) => [{ dependency }, lost.includes(dependency) ? 0 : 1])
    },
  )
  metrics.createGauge(
    'koi_mcp_leader',
    '1 in the process that does what one of its node does for all of them',
    NONE,
    () => one(live(({ node }) => (node.leads ? 1 : 0))),
  )
  number(
    'koi_mcp_inbox_pending',
    'Events in the inbox that are not worked off; one value for all processes of a node',
    (found) => found.inbox?.pending,
  )
  number(
    'koi_mcp_dead_letters',
    'Events that were given up and wait to be replayed or dropped',
    (found) => found.inbox?.deadLetters,
  )
  number('koi_mcp_outbox_queued', 'Events that wait for subscribers', (found) =>
    sum(found.outbox?.map(({ queued }) => queued)),
  )
  number('koi_mcp_outbox_targets', 'Subscribers for whom events wait', (found) => found.outbox?.length)
  number(
    'koi_mcp_outbox_oldest_seconds',
    'How long the oldest event waits for a subscriber',
    (found) => found.outbox && Math.max(0, ...found.outbox.map(({ oldestAt }) => Date.now() - oldestAt)) / 1_000,
  )
  number(
    'koi_mcp_lapsed_targets',
    'Subscribers whose events were given up: back again, they are told the state of then',
    (found) => found.lapsed?.length,
  )
  const subscribers = async (value: 'queued' | 'lag'): Promise<GaugeValues<'peer'>> => {
    const outbox = await stored((found) => found.outbox)
    const following = live(({ node }) => node.graph.neighbors('out')) ?? NONE
    if (outbox === undefined) return NONE
    return subscriberValues(following, outbox, Date.now()).map((of) => [{ peer: of.peer }, of[value]])
  }
  metrics.createGauge('koi_mcp_delivery_queued', 'Events that wait, by subscriber', ['peer'], () =>
    subscribers('queued'),
  )
  metrics.createGauge('koi_mcp_delivery_lag_seconds', 'How long the oldest event waits, by subscriber', ['peer'], () =>
    subscribers('lag'),
  )
  metrics.createGauge('koi_mcp_bundles', 'Knowledge in the cache, by RID type', ['rid_type'], async () =>
    byType((await stored((found) => found.bundles)) ?? new Map()),
  )
  metrics.createGauge(
    'koi_mcp_queue_jobs',
    'Wake-ups on Redis (queue_type bullmq), by kind and state',
    ['kind', 'state'],
    async () => {
      const jobs = await stored((found) => found.jobs)
      return Object.entries(jobs ?? {}).flatMap(([kind, counts]) =>
        Object.entries(counts).map(([state, count]) => [{ kind, state }, count] as const),
      )
    },
  )
  metrics.createGauge(
    'koi_mcp_peers',
    'Other nodes that are known, by type',
    ['node_type'],
    () => live(peersOf) ?? NONE,
  )
  metrics.createGauge(
    'koi_mcp_edges',
    "This node's edges: in, it hears; out, it tells",
    ['direction', 'status'],
    () => live(edgesOf) ?? NONE,
  )
}

function dependenciesOf(service: Shown | undefined): readonly string[] {
  if (service === undefined) return NONE
  const { network, queue } = service.settings
  return [
    'store',
    ...(queue.queue_type === 'bullmq' ? ['queue'] : []),
    ...(network.first_contact === undefined ? [] : ['first_contact']),
  ]
}

function one(value: number | undefined): One {
  return value === undefined ? NONE : [[{}, value]]
}

function sum(numbers: readonly number[] | undefined): number | undefined {
  return numbers?.reduce((total, number) => total + number, 0)
}

/** The largest first; the rest as one. */
function byType(counts: ReadonlyMap<string, number>): GaugeValues<'rid_type'> {
  const sorted = [...counts].sort(([, a], [, b]) => b - a)
  const rest = sorted.slice(RID_TYPES)
  const values = sorted.slice(0, RID_TYPES).map(([type, count]) => [{ rid_type: type }, count] as const)
  return rest.length === 0
    ? values
    : [...values, [{ rid_type: OTHER }, rest.reduce((total, [, count]) => total + count, 0)] as const]
}

function peersOf({ node: { graph, identity } }: Shown): GaugeValues<'node_type'> {
  const counts = { FULL: 0, PARTIAL: 0, unknown: 0 }
  for (const rid of graph.nodes()) if (rid !== identity.rid) counts[graph.profile(rid)?.node_type ?? 'unknown'] += 1
  return Object.entries(counts).map(([node_type, count]) => [{ node_type }, count] as const)
}

function edgesOf({ node: { graph, identity } }: Shown): GaugeValues<'direction' | 'status'> {
  const counts = { in: { PROPOSED: 0, APPROVED: 0 }, out: { PROPOSED: 0, APPROVED: 0 } }
  for (const { profile } of graph.edgesOf(identity.rid)) {
    counts[profile.source === identity.rid ? 'out' : 'in'][profile.status] += 1
  }
  return Object.entries(counts).flatMap(([direction, states]) =>
    Object.entries(states).map(([status, count]) => [{ direction, status }, count] as const),
  )
}
