import { DomainExtension, HandlerType, SchemaError, SchemaRegistry } from '@koi-mcp/core'
import type { KnowledgeAdapter, KnowledgeProcessor, SchemaRegistration, TransformerRegistration } from '@koi-mcp/core'
import type { RidType } from '@koi-mcp/protocol'
import { DataSchemaDefinition } from './data-schema-definition.ts'
import { DatasetAdapter } from './dataset-adapter.ts'
import { DatasetMetadata } from './dataset-metadata.ts'
import { dataSchemaRid, DataSchemaRID, datasetRid, DatasetRID, DEFAULT_SOURCE } from './rid-types.ts'

const SCHEMAS: readonly SchemaRegistration[] = [
  {
    schema: DatasetMetadata,
    ridType: DatasetRID,
    ridOf: ({ source, path, name }: DatasetMetadata) => datasetRid(source ?? DEFAULT_SOURCE, path ?? name),
  },
  {
    schema: DataSchemaDefinition,
    ridType: DataSchemaRID,
    ridOf: ({ source, name }: DataSchemaDefinition) => dataSchemaRid(source ?? DEFAULT_SOURCE, name),
  },
]

/** The data catalogue: datasets and their schemas. */
export class DataCatalogExtension extends DomainExtension {
  override readonly name = 'data_catalog'
  readonly #adapters: readonly KnowledgeAdapter[] = [new DatasetAdapter()]

  override get ridTypes(): readonly RidType[] {
    return [DatasetRID, DataSchemaRID]
  }

  override get schemas(): readonly SchemaRegistration[] {
    return SCHEMAS
  }

  override get adapters(): readonly KnowledgeAdapter[] {
    return this.#adapters
  }

  override get transformers(): readonly TransformerRegistration[] {
    return [{ source: DatasetMetadata, target: DataSchemaDefinition, transform: schemaOfDataset }]
  }

  /** Knowledge of others that does not fit its schema is kept, for theirs may be a later one; the log says what does not fit. */
  override registerHandlers(processor: KnowledgeProcessor): void {
    const schemas = new SchemaRegistry()
    for (const schema of SCHEMAS) schemas.registerSchema(schema)
    const filter = { name: 'data_catalog.schema', ridTypes: this.ridTypes }
    processor.registerHandler(HandlerType.Bundle, filter, ({ log }, { rid, contents, source }) => {
      if (contents === undefined) return
      try {
        schemas.validateContents(rid, contents.value)
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error
        log.warn(`kept as it is: ${error.message}`, { rid, peer: source })
      }
    })
  }
}

/** The columns that a dataset says it has, as a schema of their own. */
function schemaOfDataset({ name, description, columns, source }: DatasetMetadata): DataSchemaDefinition {
  return new DataSchemaDefinition({
    name,
    ...(description === undefined ? {} : { description }),
    columns: columns ?? [],
    ...(source === undefined ? {} : { source }),
  })
}
