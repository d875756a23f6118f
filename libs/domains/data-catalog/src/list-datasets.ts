import { ToolInputError } from '@koi-mcp/core'
import type { AdapterTool, KnowledgeReader, StoredBundle } from '@koi-mcp/core'
import { asRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { columnNames, summaryOf } from './dataset-summary.ts'
import { DatasetRID } from './rid-types.ts'

const TYPES = [DatasetRID.name]
const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100
const BATCH = 100
/** Looked at in one call; a call that finds little within it still gives a cursor to go on from. */
const MAX_SCANNED = 2_000

interface Filter {
  readonly format: string | undefined
  readonly column: string | undefined
}

/** Where the next page begins: after an RID, or at a place among the results of a search. */
type Position = { readonly after: Rid | undefined } | { readonly offset: number }

export const listDatasets: AdapterTool = {
  name: 'list_datasets',
  title: 'List datasets',
  description:
    'Lists the datasets in the catalogue, a page at a time. Narrow the list by words that occur in a dataset (text), by file format, or by the name of a column.',
  inputSchema: {
    type: 'object',
    properties: {
      text: {
        type: 'string',
        description: 'Words that must all occur in the name, description, columns, tags or path.',
      },
      format: { type: 'string', description: 'Exactly this format: csv, tsv, json, jsonl, parquet, …' },
      column: { type: 'string', description: 'Datasets with a column whose name contains this, in any case.' },
      limit: {
        type: 'integer',
        minimum: 1,
        maximum: MAX_LIMIT,
        description: `At most so many; ${DEFAULT_LIMIT} by default.`,
      },
      cursor: { type: 'string', description: 'next_cursor of the page before.' },
    },
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      datasets: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            rid: { type: 'string' },
            name: { type: 'string' },
            description: { type: 'string' },
            summary: { type: 'string', description: 'Format, rows, columns and size.' },
          },
          required: ['rid', 'name', 'summary'],
          additionalProperties: false,
        },
      },
      next_cursor: { type: 'string', description: 'Present when there may be more.' },
    },
    required: ['datasets'],
    additionalProperties: false,
  },

  async call(args, { knowledge, signal }) {
    const text = textOf(args['text'])?.trim() ?? ''
    const limit = typeof args['limit'] === 'number' ? args['limit'] : DEFAULT_LIMIT
    const filter = { format: textOf(args['format']), column: textOf(args['column'])?.toLowerCase() }
    let position = startOf(textOf(args['cursor']), text !== '')
    const datasets: object[] = []
    for (let scanned = 0; scanned < MAX_SCANNED;) {
      signal.throwIfAborted()
      const batch =
        'offset' in position ? await found(knowledge, text, position.offset) : await listed(knowledge, position.after)
      for (const entity of batch.entities) {
        position = 'offset' in position ? { offset: position.offset + 1 } : { after: entity.rid }
        if (!passes(entity, filter)) continue
        datasets.push(entryOf(entity))
        if (datasets.length === limit) return { datasets, next_cursor: cursorOf(position) }
      }
      if ('offset' in position) position = { offset: batch.next }
      if (batch.last) return { datasets }
      scanned += BATCH
    }
    return { datasets, next_cursor: cursorOf(position) }
  },
}

interface Batch {
  readonly entities: readonly StoredBundle[]
  readonly next: number
  readonly last: boolean
}

async function listed(knowledge: KnowledgeReader, after: Rid | undefined): Promise<Batch> {
  const entities = await knowledge.listBundles({ types: TYPES, after, limit: BATCH })
  return { entities, next: 0, last: entities.length < BATCH }
}

async function found(knowledge: KnowledgeReader, text: string, offset: number): Promise<Batch> {
  const { hits } = await knowledge.search(text, { types: TYPES, limit: BATCH, offset })
  const entities = await knowledge.readMany(hits.map(({ rid }) => rid))
  return { entities, next: offset + hits.length, last: hits.length < BATCH }
}

function passes({ bundle }: StoredBundle, { format, column }: Filter): boolean {
  const contents = bundle.contents.value
  if (format !== undefined && contents['format'] !== format) return false
  return column === undefined || columnNames(contents).some((name) => name.toLowerCase().includes(column))
}

function entryOf({ rid, bundle }: StoredBundle): object {
  const contents = bundle.contents.value
  const { name, description } = contents
  return {
    rid,
    name: typeof name === 'string' ? name : rid,
    ...(typeof description === 'string' ? { description } : {}),
    summary: summaryOf(contents),
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function cursorOf(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

function startOf(cursor: string | undefined, searching: boolean): Position {
  if (cursor === undefined) return searching ? { offset: 0 } : { after: undefined }
  try {
    const position = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as { after?: unknown; offset?: unknown }
    if (searching && Number.isSafeInteger(position.offset) && (position.offset as number) >= 0) {
      return { offset: position.offset as number }
    }
    if (!searching && typeof position.after === 'string') return { after: asRid(position.after) }
  } catch {
    // Told below.
  }
  throw new ToolInputError('cursor: is not a next_cursor of this query; leave it out to begin at the first page')
}
