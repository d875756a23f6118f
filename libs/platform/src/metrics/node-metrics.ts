import type { NodeObserver } from '@koi-mcp/core'
import { BoundedLabel } from './bounded-label.ts'
import type { PrometheusMetrics } from './prometheus-metrics.ts'

const RID_TYPES = 50

/** Counts the business events of a node. */
export function nodeMetrics(metrics: PrometheusMetrics): NodeObserver {
  const ridTypes = new BoundedLabel(RID_TYPES)
  const received = metrics.createCounter(
    'koi_mcp_events_received_total',
    'Events that other nodes told this one, by broadcast or in answer to its polls',
    ['way'],
  )
  const accepted = metrics.createCounter(
    'koi_mcp_events_accepted_total',
    'Those of them that are in the inbox; what is neither accepted nor refused came a second time',
    ['way'],
  )
  const refused = metrics.createCounter(
    'koi_mcp_events_refused_total',
    'Events left out of an envelope: about_us, unfit_rid, not_listed, malformed',
    ['way', 'reason'],
  )
  const requests = metrics.createCounter(
    'koi_mcp_requests_refused_total',
    'Calls of other nodes that were refused: malformed, unknown_node, invalid_key, invalid_signature, invalid_target, not_listed, store_away, internal',
    ['endpoint', 'reason'],
  )
  const applied = metrics.createCounter('koi_mcp_events_applied_total', 'Changes of the cache, by event and RID type', [
    'event',
    'rid_type',
  ])
  const handled = metrics.createTimings(
    'koi_mcp_pipeline_duration_seconds',
    'Runs of an event through the pipeline: applied, ignored (nothing had to change), retried (a handler asked for another attempt), dead_letter',
    ['result'],
  )
  const retries = metrics.createCounter(
    'koi_mcp_handler_retries_total',
    'Attempts of handlers that failed and are made again',
  )
  const deadLetters = metrics.createCounter('koi_mcp_dead_letters_total', 'Events that a handler failed on for good')
  const deliveries = metrics.createCounter(
    'koi_mcp_deliveries_total',
    'Envelopes to subscribers: delivered, failed (tried again), halved (refused, sent again in parts), late (sent behind the lease, told again)',
    ['outcome'],
  )
  const delivered = metrics.createCounter('koi_mcp_events_delivered_total', 'Events in delivered envelopes')
  const polled = metrics.createCounter('koi_mcp_events_polled_total', 'Events that polls of other nodes took')
  const handshakes = metrics.createCounter(
    'koi_mcp_handshakes_total',
    'Introductions: out, of this node to another; in, of another node to this one',
    ['direction'],
  )
  const calls = metrics.createTimings(
    'koi_mcp_peer_call_duration_seconds',
    'Calls to other nodes, by endpoint and outcome: ok, or what went wrong',
    ['endpoint', 'outcome'],
  )
  const published = metrics.createCounter(
    'koi_mcp_publish_requests_total',
    "Requests to publish or forget this node's own knowledge: accepted, refused (not as it must be), failed",
    ['operation', 'outcome'],
  )
  // Shown as 0 from the start on, so that the first of a kind is an increase.
  for (const way of ['broadcast', 'poll']) {
    received.inc({ way }, 0)
    accepted.inc({ way }, 0)
    for (const reason of ['about_us', 'unfit_rid', 'not_listed', 'malformed']) refused.inc({ way, reason }, 0)
  }
  for (const outcome of ['delivered', 'failed', 'halved', 'late']) deliveries.inc({ outcome }, 0)
  for (const direction of ['in', 'out']) handshakes.inc({ direction }, 0)
  for (const operation of ['publish', 'forget']) {
    for (const outcome of ['accepted', 'refused', 'failed']) published.inc({ operation, outcome }, 0)
  }
  return {
    eventsTaken: (way, came, taken) => {
      received.inc({ way }, came)
      accepted.inc({ way }, taken)
    },
    eventRefused: (way, reason) => refused.inc({ way, reason }),
    requestRefused: (endpoint, reason) => requests.inc({ endpoint, reason }),
    applied: (event, ridType) => applied.inc({ event, rid_type: ridTypes.of(ridType) }),
    handled: (result, seconds) => {
      handled.observe({ result }, seconds)
      if (result === 'retried') retries.inc({})
      if (result === 'dead_letter') deadLetters.inc({})
    },
    delivery: (outcome, events) => {
      deliveries.inc({ outcome })
      if (outcome === 'delivered') delivered.inc({}, events)
    },
    polled: (events) => polled.inc({}, events),
    handshake: (direction) => handshakes.inc({ direction }),
    called: (endpoint, outcome, seconds) => calls.observe({ endpoint, outcome }, seconds),
    published: (operation, outcome) => published.inc({ operation, outcome }),
  }
}
