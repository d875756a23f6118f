import type { Paint } from '../io.ts'
import { printable, shortened } from '../output/printable.ts'
import type { Running } from './running.ts'
import type { RunningServers } from './servers/servers.ts'

/** The first line of `--json`, and one each time that other processes run than it said. */
export const runningJson = (event: 'ready' | 'replicas', { services, servers }: Running): string =>
  JSON.stringify({
    event,
    services: services.map(({ role, name, url, koi_net_url, node_rid, mcp_url, pids }) => ({
      role,
      name,
      url,
      koi_net_url,
      node_rid,
      ...(mcp_url === undefined ? {} : { mcp_url }),
      pids,
    })),
    servers,
  })

/** The processes of each service, for people. */
export const processesText = ({ services }: Running): string =>
  `Processes: ${services.map(({ name, pids }) => `${name} ${pids.length === 0 ? 'none' : pids.join(' ')}`).join(', ')}.`

/** What a person needs to go on: where everything is, and what to paste into an MCP client. */
export const readyText = (running: Running, folders: { data: string; state: string }, paint: Paint): string => {
  const { services, servers } = running
  const width = Math.max(...services.map(({ name }) => name.length))
  const rows = services.map(({ name, url, node_rid }) => {
    return `  ${paint('bold', name.padEnd(width))}  ${url.padEnd(23)}  ${paint('dim', shortened(printable(node_rid), 48))}`
  })
  const mcp = services.find(({ mcp_url }) => mcp_url !== undefined)?.mcp_url
  const snippet = JSON.stringify({ mcpServers: { koi: { type: 'http', url: mcp } } })
  return [
    '',
    ...rows,
    '',
    ...(mcp === undefined ? [] : ['Paste into your MCP client:', '', `  ${paint('cyan', snippet)}`, '']),
    ...(servers === undefined ? [] : replicasText(running, servers)),
    `Catalogues ${printable(folders.data)}; keys and caches are in ${printable(folders.state)}. Ctrl-C stops everything.`,
    '',
  ].join('\n')
}

const replicasText = (running: Running, servers: RunningServers): readonly string[] => [
  processesText(running),
  ...Object.values(servers).map(({ url, pid }) => `Server of our own (process ${pid}): ${printable(url)}`),
  `kill -USR2 ${process.pid} restarts all processes of the services, one at a time and without a failed request.`,
]
