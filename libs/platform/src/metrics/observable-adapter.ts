import { ridTypeOf } from '@koi-mcp/protocol'
import type { Rid, RidType } from '@koi-mcp/protocol'
import { ToolInputError } from '@koi-mcp/core'
import type { AdapterTool, KnowledgeAdapter, ResourceDescription, StoredBundle } from '@koi-mcp/core'
import { adapterCounters } from './adapter-counters.ts'
import type { AdapterCounters } from './adapter-counters.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'

/** An adapter that counts what it is asked: registrations, the calls of its tools, and the errors of both. It does what the one given does. */
export class ObservableAdapter implements KnowledgeAdapter {
  readonly name: string
  readonly ridTypes: readonly RidType[]
  // Absent where the adapter has none: nobody calls what keeps nothing.
  readonly register?: (entity: StoredBundle) => Promise<void>
  readonly update?: (entity: StoredBundle) => Promise<void>
  readonly forget?: (rid: Rid) => Promise<void>
  readonly describe?: (entity: StoredBundle) => ResourceDescription | undefined
  readonly tools?: readonly AdapterTool[]
  readonly #adapter: KnowledgeAdapter
  readonly #counters: AdapterCounters

  constructor(adapter: KnowledgeAdapter, metrics: PrometheusMetrics = new PrometheusMetrics()) {
    const { name, ridTypes, tools } = adapter
    this.name = name
    this.ridTypes = ridTypes
    this.#adapter = adapter
    this.#counters = adapterCounters(metrics)
    if (adapter.register !== undefined) this.register = (entity) => this.registerWithMetrics(entity)
    if (adapter.update !== undefined) {
      this.update = (entity) => this.#counted('update', async () => await adapter.update?.(entity))
    }
    if (adapter.forget !== undefined) {
      this.forget = (rid) => this.#counted('forget', async () => await adapter.forget?.(rid))
    }
    if (adapter.describe !== undefined) this.describe = (entity) => adapter.describe?.(entity)
    if (tools !== undefined) this.tools = tools.map((tool) => this.#countedTool(tool))
  }

  /** @throws what the adapter throws, once it is counted */
  async registerWithMetrics(entity: StoredBundle): Promise<void> {
    await this.#counted('register', async () => await this.#adapter.register?.(entity))
    this.#counters.registrations.inc({ adapter: this.name, entity_type: ridTypeOf(entity.rid) })
  }

  #countedTool(tool: AdapterTool): AdapterTool {
    return {
      ...tool,
      call: async (args, context) => {
        this.#counters.queries.inc({ adapter: this.name, tool: tool.name })
        return await this.#counted(tool.name, () => tool.call(args, context))
      },
    }
  }

  async #counted<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      // What the model is told to mend is no fault of the adapter.
      if (!(error instanceof ToolInputError)) {
        this.#counters.errors.inc({ adapter: this.name, operation, error: nameOf(error) })
      }
      throw error
    }
  }
}

/** The kind of an error: its text may be anything, and would be a series each. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.constructor.name : typeof error
}
