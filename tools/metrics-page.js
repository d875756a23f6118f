// Writes docs/metrics.md from the metrics that the services make; with --check, says whether it is as it would be written.
//   npm run metrics-page [-- --check]
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { mcpMetrics } from '../apps/mcp-gateway/src/mcp/mcp-metrics.ts'
import { PrometheusMetrics } from '../libs/platform/src/metrics/prometheus-metrics.ts'
import { ServiceMetrics } from '../libs/platform/src/metrics/service-metrics.ts'
import { root } from './workspace.js'

/** @typedef {import('../libs/platform/src/metrics/prometheus-metrics.ts').MetricDefinition} Definition */

const PAGE = join(root, 'docs/metrics.md')

const INTRO = `# Metrics

<!-- Written by \`npm run metrics-page\` from the code; a test fails when it is stale. -->

With \`metrics.port\` (\`KOI_MCP_METRICS__PORT\`) a service serves these at \`/metrics\` on that port, to Prometheus in its own format or, where it is
asked for, in OpenMetrics, in which times point to the trace that they were measured in. See [operations](operations.md#metrics).

Every series bears \`node\` (\`node.name\`) and \`role\`. What is in the store of a node is one value, which each of its processes shows: take \`max by (node)\` of it, where
counters of processes are summed. A label that could have any number of values has the first or the largest of them, and \`other\` for the rest. A gauge that cannot be looked up now is left out.
`

/** @param {readonly Definition[]} definitions */
const table = (definitions) => {
  const rows = definitions.map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
  )
  return ['| name | type | labels | what |', '| --- | --- | --- | --- |', ...rows, ''].join('\n')
}

const service = new ServiceMetrics('consumer', {
  node: { name: 'any' },
  persistence: { storage_type: 'file' },
  queue: { queue_type: 'store' },
})
const own = service.prometheus.definitions
const gateway = new PrometheusMetrics()
mcpMetrics(gateway, () => undefined)
const names = new Set(own.map(({ name }) => name))
const ofProcess = (await service.prometheus.read()).filter(({ name }) => !names.has(name))
const page = [
  INTRO,
  '## Of every service\n',
  table(own),
  '## Of the MCP gateway\n',
  table(gateway.definitions),
  '## Of the process\n\nAs prom-client names them.\n',
  table(ofProcess.map(({ name, type, help }) => ({ name, type, help, labels: [] }))),
].join('\n')
const text = await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' })

if (!process.argv.includes('--check')) writeFileSync(PAGE, text)
else if (readFileSync(PAGE, 'utf8') !== text) {
  process.stderr.write('docs/metrics.md is not what the code says: run "npm run metrics-page"\n')
  process.exitCode = 1
}
// What counts in this process would keep it.
process.exit()
