import { ToolInputError } from '@koi-mcp/core'
import type { AdapterTool, KnowledgeReader, StoredBundle } from '@koi-mcp/core'
import { isRid } from '@koi-mcp/protocol'
import type { JsonObject } from '@koi-mcp/protocol'
import { DataSchemaRID, DatasetRID } from './rid-types.ts'

const TYPES = [DatasetRID.name]
const SEARCHED = 200

export const describeDataset: AdapterTool = {
  name: 'describe_dataset',
  title: 'Describe a dataset',
  description:
    'Everything the catalogue knows of one dataset: location, format, size, columns with their types, and its schema. Give its RID, or its name where no other dataset has the same.',
  inputSchema: {
    type: 'object',
    properties: {
      rid: { type: 'string', description: `The dataset's RID, such as ${DatasetRID.name}:examples/planets.csv` },
      name: { type: 'string', description: "The dataset's name, such as planets" },
    },
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      rid: { type: 'string' },
      dataset: { type: 'object', description: "The dataset's metadata as published." },
      schema: { type: 'object', description: 'The schema it names, where the catalogue knows it.' },
      origin: { type: 'string', description: 'The node that published it; absent: this one.' },
    },
    required: ['rid', 'dataset'],
    additionalProperties: false,
  },

  async call(args, { knowledge }) {
    const { rid, name } = args
    if ((typeof rid === 'string') === (typeof name === 'string')) throw new ToolInputError('give either rid or name')
    const entity = typeof rid === 'string' ? await byRid(knowledge, rid) : await byName(knowledge, name as string)
    const dataset = entity.bundle.contents.value
    const schema = await schemaOf(knowledge, dataset)
    return {
      rid: entity.rid,
      dataset,
      ...(schema === undefined ? {} : { schema }),
      ...(entity.origin === undefined ? {} : { origin: entity.origin }),
    }
  },
}

async function byRid(knowledge: KnowledgeReader, rid: string): Promise<StoredBundle> {
  if (!isRid(rid) || !DatasetRID.matches(rid)) {
    throw new ToolInputError(`rid: ${rid} names no dataset; those begin with ${DatasetRID.name}:`)
  }
  const entity = await knowledge.read(rid)
  if (entity === undefined)
    throw new ToolInputError(`rid: the catalogue has no ${rid}; list_datasets shows what it has`)
  return entity
}

async function byName(knowledge: KnowledgeReader, name: string): Promise<StoredBundle> {
  const { hits } = await knowledge.search(name, { types: TYPES, limit: SEARCHED })
  const entities = await knowledge.readMany(hits.map(({ rid }) => rid))
  const named = entities.filter(({ bundle }) => bundle.contents.value['name'] === name)
  const [only] = named
  if (only !== undefined && named.length === 1) return only
  if (named.length > 1) {
    throw new ToolInputError(`name: ${named.length} datasets are named ${name}; give the rid of one: ${ridsOf(named)}`)
  }
  const near = entities.length === 0 ? 'list_datasets shows what there is' : `near it: ${ridsOf(entities)}`
  throw new ToolInputError(`name: no dataset is named ${name}; ${near}`)
}

function ridsOf(entities: readonly StoredBundle[]): string {
  return entities
    .slice(0, 10)
    .map(({ rid }) => rid)
    .join(', ')
}

async function schemaOf(knowledge: KnowledgeReader, { schema }: JsonObject): Promise<JsonObject | undefined> {
  if (typeof schema !== 'string' || !isRid(schema) || !DataSchemaRID.matches(schema)) return undefined
  return (await knowledge.read(schema))?.bundle.contents.value
}
