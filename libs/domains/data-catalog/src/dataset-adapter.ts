import type { AdapterTool, KnowledgeAdapter, ResourceDescription, StoredBundle } from '@koi-mcp/core'
import type { RidType } from '@koi-mcp/protocol'
import { summaryOf } from './dataset-summary.ts'
import { describeDataset } from './describe-dataset.ts'
import { listDatasets } from './list-datasets.ts'
import { DataSchemaRID, DatasetRID } from './rid-types.ts'

/** Shows datasets and their schemas to language models. It keeps nothing: its tools read what the node knows. */
export class DatasetAdapter implements KnowledgeAdapter {
  readonly name = 'datasets'
  readonly ridTypes: readonly RidType[] = [DatasetRID, DataSchemaRID]
  readonly tools: readonly AdapterTool[] = [listDatasets, describeDataset]

  describe({ bundle }: StoredBundle): ResourceDescription | undefined {
    const contents = bundle.contents.value
    const { name, description } = contents
    if (typeof name !== 'string' || name === '') return undefined
    const parts = [typeof description === 'string' ? description : '', summaryOf(contents)].filter(
      (part) => part !== '',
    )
    return { name, ...(parts.length === 0 ? {} : { description: parts.join('. ') }) }
  }
}
