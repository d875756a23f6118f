import type { RidType } from '@koi-mcp/protocol'
import type { KnowledgeProcessor } from '../pipeline/handler.ts'
import type { KnowledgeAdapter } from './adapter.ts'
import type { DomainExtension } from './domain-extension.ts'
import { SchemaRegistry } from './schema-registry.ts'

/** What the domains of a node bring, by name. */
export class KoiMcpRegistry {
  readonly #extensions = new Map<string, DomainExtension>()
  readonly #ridTypes = new Map<string, RidType>()
  readonly #adapters = new Map<string, KnowledgeAdapter>()
  readonly schemas = new SchemaRegistry()

  get extensions(): ReadonlyMap<string, DomainExtension> {
    return this.#extensions
  }

  /** By their name on the wire: `orn:data-catalog.dataset`. */
  get ridTypes(): ReadonlyMap<string, RidType> {
    return this.#ridTypes
  }

  get adapters(): ReadonlyMap<string, KnowledgeAdapter> {
    return this.#adapters
  }

  /**
   * Takes in a domain with its RID types, schemas, transformers and adapters; by its own name, or by another.
   * @throws Error when one of the names is taken
   */
  registerExtension(extension: DomainExtension): void
  registerExtension(name: string, extension: DomainExtension): void
  registerExtension(first: string | DomainExtension, second?: DomainExtension): void {
    const [name, extension] = typeof first === 'string' ? [first, second] : [first.name, first]
    if (extension === undefined) throw new Error(`registerExtension('${name}', …) needs the extension`)
    if (this.#extensions.has(name)) {
      throw new Error(`two domains are named ${name}; register each once, or give one another name`)
    }
    for (const adapter of extension.adapters) {
      if (this.#adapters.has(adapter.name)) {
        throw new Error(`domain ${name}: there is an adapter named ${adapter.name} already; give it another name`)
      }
      this.#adapters.set(adapter.name, adapter)
    }
    for (const schema of extension.schemas) this.schemas.registerSchema(schema)
    for (const { source, target, transform } of extension.transformers) {
      this.schemas.registerTransformer(source, target, transform)
    }
    for (const ridType of extension.ridTypes) this.#ridTypes.set(ridType.name, ridType)
    this.#extensions.set(name, extension)
  }

  /**
   * Lets the domains register their handlers with a node: all, or those named, in that order.
   * @throws Error for a name that is not registered, before anything is done
   */
  configureNode(node: { readonly processor: KnowledgeProcessor }, domainNames?: readonly string[]): void {
    const extensions = (domainNames ?? [...this.#extensions.keys()]).map((name) => {
      const extension = this.#extensions.get(name)
      if (extension !== undefined) return extension
      const known = [...this.#extensions.keys()].join(', ') || 'none'
      throw new Error(`no domain is named ${name}; there are: ${known}`)
    })
    for (const extension of extensions) extension.registerHandlers(node.processor)
  }
}
