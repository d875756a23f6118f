import type { Rid, RidType } from '@koi-mcp/protocol'
import type { KnowledgeReader } from '../knowledge/knowledge-reader.ts'
import type { StoredBundle } from '../store/node-store.ts'

/**
 * KOI → MCP: follows the bundles of its RID types and says how they look to a language model. `register`, `update` and `forget` are called in the
 * order of the change log, after the change is durable; on start `register` is called for everything cached. Changes that follow one another
 * fast may come as the last of them, so `update` may name what was never registered, and so may `forget`; without an `update`, `register` is
 * called for updates too. An error of an adapter is logged and counted and stops nothing.
 */
export interface KnowledgeAdapter {
  readonly name: string
  readonly ridTypes: readonly RidType[]
  register?(entity: StoredBundle): void | Promise<void>
  update?(entity: StoredBundle): void | Promise<void>
  forget?(rid: Rid): void | Promise<void>
  /** How the bundle is listed as a resource. Absent or `undefined`: the RID's reference as name, nothing else. */
  describe?(entity: StoredBundle): ResourceDescription | undefined
  /** Tools this domain offers beside the general ones. */
  readonly tools?: readonly AdapterTool[]
}

export interface ResourceDescription {
  readonly name: string
  readonly title?: string | undefined
  readonly description?: string | undefined
}

/** A tool as MCP shows it. Schemas are JSON Schema (2020-12) objects; results are validated against `outputSchema` in tests. */
export interface AdapterTool {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: JsonSchemaObject
  readonly outputSchema: JsonSchemaObject
  /** Arguments were validated against `inputSchema`. Throw `ToolInputError` for what the model can mend. */
  call(args: Readonly<Record<string, unknown>>, context: ToolContext): Promise<Readonly<Record<string, unknown>>>
}

export interface ToolContext {
  readonly knowledge: KnowledgeReader
  readonly signal: AbortSignal
}

export interface JsonSchemaObject {
  readonly type: 'object'
  readonly properties?: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean
  readonly [keyword: string]: unknown
}

/** The arguments are well formed but cannot be answered; the message tells the model what to change. */
export class ToolInputError extends Error {
  readonly code = 'TOOL_INPUT'
}
