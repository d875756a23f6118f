import type { Paint } from '../io.ts'
import { printable, shortened } from '../output/printable.ts'
import type { RunningService } from '../state-folder.ts'

/** The first line of `--json`. */
export const readyJson = (services: readonly RunningService[]): string =>
  JSON.stringify({
    event: 'ready',
    services: services.map(({ role, name, url, koi_net_url, node_rid, mcp_url }) => ({
      role,
      name,
      url,
      koi_net_url,
      node_rid,
      ...(mcp_url === undefined ? {} : { mcp_url }),
    })),
  })

/** What a person needs to go on: where everything is, and what to paste into an MCP client. */
export const readyText = (
  services: readonly RunningService[],
  folders: { data: string; state: string },
  paint: Paint,
): string => {
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
    `Catalogues ${printable(folders.data)}; keys and caches are in ${printable(folders.state)}. Ctrl-C stops everything.`,
    '',
  ].join('\n')
}
