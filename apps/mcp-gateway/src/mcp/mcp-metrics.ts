import type { McpLoad, McpMethod, McpObserver, McpOutcome } from '@koi-mcp/mcp'
import type { PrometheusMetrics } from '@koi-mcp/platform'

const MCP_METHODS: readonly McpMethod[] = [
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'resources/subscribe',
  'resources/unsubscribe',
  'subscriptions/listen',
  'tools/list',
  'tools/call',
]
const MCP_OUTCOMES: readonly McpOutcome[] = ['ok', 'refused', 'failed']

/** Counts what MCP clients do; `load` answers what they hold, `undefined` where nothing is served. */
export function mcpMetrics(metrics: PrometheusMetrics, load: () => McpLoad | undefined): McpObserver {
  const requests = metrics.createCounter(
    'koi_mcp_mcp_requests_total',
    'MCP requests, by method and outcome: ok, refused (the client has to change what it asks), failed (the fault lies here)',
    ['method', 'outcome'],
  )
  const durations = metrics.createTimings(
    'koi_mcp_mcp_request_duration_seconds',
    'MCP requests, until they are answered; of subscriptions/listen until the stream stands',
    ['method'],
  )
  const held = (name: string, help: string, read: (of: McpLoad) => number): void =>
    metrics.createGauge(name, help, [], () => {
      const now = load()
      return now === undefined ? [] : [[{}, read(now)]]
    })
  held('koi_mcp_mcp_sessions', 'Sessions of clients of the revisions before 2026-07-28', ({ sessions }) => sessions)
  held(
    'koi_mcp_mcp_subscriptions',
    'Resources that clients follow, over all sessions and streams',
    ({ subscriptions }) => subscriptions,
  )
  // Shown as 0 from the start on, so that the first of a kind is an increase.
  for (const method of MCP_METHODS) for (const outcome of MCP_OUTCOMES) requests.inc({ method, outcome }, 0)
  return {
    answered: (method, outcome, seconds) => {
      requests.inc({ method, outcome })
      durations.observe({ method }, seconds)
    },
  }
}
