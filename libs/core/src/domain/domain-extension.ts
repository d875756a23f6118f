import type { RidType } from '@koi-mcp/protocol'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import type { KnowledgeAdapter } from './adapter.ts'
import type { SchemaRegistration, TransformerRegistration } from './schema-registry.ts'

/**
 * A kind of knowledge: its RID types, the schemas of its contents, the adapters that show it over MCP and the handlers that act on it. Extend this
 * class, give it a name, and hand an instance to the nodes' `domains`.
 */
export abstract class DomainExtension {
  /** Configuration key and registry key, snake_case: `data_catalog`. */
  abstract readonly name: string
  get ridTypes(): readonly RidType[] {
    return []
  }
  get schemas(): readonly SchemaRegistration[] {
    return []
  }
  /** How objects of one schema become those of another. */
  get transformers(): readonly TransformerRegistration[] {
    return []
  }
  get adapters(): readonly KnowledgeAdapter[] {
    return []
  }
  registerHandlers(_processor: KnowledgeProcessor): void {
    // A domain without handlers is fine: its bundles are cached and announced by the node's own.
  }
}
