export { createMcpHandler } from './mcp-handler.ts'
export type { McpHandler, McpHandlerOptions } from './mcp-handler.ts'
export { MANIFEST_META_KEY, RESOURCE_PAGE } from './resource-catalog.ts'
