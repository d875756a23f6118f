export { createMcpHandler } from './mcp-handler.ts'
export type { McpHandler, McpHandlerOptions } from './mcp-handler.ts'
export type { McpLoad, McpMethod, McpObserver, McpOutcome } from './mcp-observer.ts'
export { MANIFEST_META_KEY, RESOURCE_PAGE } from './resource-catalog.ts'
