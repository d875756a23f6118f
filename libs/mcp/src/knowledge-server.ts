import { ProtocolError, ProtocolErrorCode, ResourceNotFoundError, Server } from '@modelcontextprotocol/server'
import type { CallToolResult } from '@modelcontextprotocol/server'
import type { KnowledgeReader, Logger } from '@koi-mcp/core'

import { guardedRequest } from './guarded-request.ts'
import type { McpObserver } from './mcp-observer.ts'
import { invalidCursor } from './resource-catalog.ts'
import type { ResourceCatalog } from './resource-catalog.ts'
import type { Toolbox } from './tool.ts'

/** The first revision whose results may hold resource links; older clients refuse a block they do not know. */
const FIRST_WITH_LINKS = '2025-06-18'

/** What every server object is made of; made once, shared by all. */
export interface ServerParts {
  readonly name: string
  readonly version: string
  readonly instructions: string
  readonly knowledge: KnowledgeReader
  readonly catalog: ResourceCatalog
  readonly toolbox: Toolbox
  readonly log: Logger
  readonly observer?: McpObserver | undefined
}

/**
 * A server object for one session or one request. The SDK's low-level server: its high-level one rewrites resource URIs
 * through a URL parser, and converts the schemas of tools again for every list.
 */
export function knowledgeServer(parts: ServerParts): Server {
  const { name, version, instructions, catalog, toolbox, knowledge, log } = parts
  const server = new Server(
    { name, version, title: 'KOI-MCP' },
    { capabilities: { resources: { subscribe: true, listChanged: true }, tools: {} }, instructions },
  )
  server.setRequestHandler('resources/list', ({ params }) =>
    guardedRequest(parts, 'resources/list', params?._meta, () => catalog.list(params?.cursor)),
  )
  server.setRequestHandler('resources/templates/list', ({ params }) =>
    guardedRequest(parts, 'resources/templates/list', params?._meta, () => {
      if (params?.cursor !== undefined) throw invalidCursor()
      return { resourceTemplates: [...catalog.templates] }
    }),
  )
  server.setRequestHandler('resources/read', ({ params: { uri, _meta } }) =>
    guardedRequest(parts, 'resources/read', _meta, async () => {
      const found = await catalog.read(uri)
      if (found === undefined) throw new ResourceNotFoundError(uri)
      return found
    }),
  )
  server.setRequestHandler('tools/list', ({ params }) =>
    guardedRequest(parts, 'tools/list', params?._meta, () => {
      if (params?.cursor !== undefined) throw invalidCursor()
      return { tools: [...toolbox.definitions] }
    }),
  )
  server.setRequestHandler('tools/call', ({ params }, { mcpReq: { signal } }) =>
    guardedRequest(parts, 'tools/call', params._meta, async (told): Promise<CallToolResult> => {
      const answer = await toolbox.call(params.name, params.arguments ?? {}, { knowledge, signal })
      if (answer === undefined) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `Unknown tool: ${params.name.slice(0, 100)} (there are ${toolbox.names.join(', ')})`,
        )
      }
      const { result, links, outcome } = answer
      told(outcome)
      const takesLinks = (server.getNegotiatedProtocolVersion() ?? FIRST_WITH_LINKS) >= FIRST_WITH_LINKS
      return takesLinks ? { ...result, content: [...result.content, ...links] } : result
    }),
  )
  server.onerror = (error) => log.debug('MCP: a message was refused', { error: error.message })
  return server
}
