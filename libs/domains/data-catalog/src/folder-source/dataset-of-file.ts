import { createHash } from 'node:crypto'
import { basename, extname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Rid } from '@koi-mcp/protocol'
import { ColumnDefinition } from '../column-definition.ts'
import { DataSchemaDefinition } from '../data-schema-definition.ts'
import { DatasetMetadata } from '../dataset-metadata.ts'
import { dataSchemaRid } from '../rid-types.ts'
import type { FileFormat } from './file-format.ts'
import type { FoundFile } from './found-file.ts'
import type { TableColumn, TableProfile } from './table-profile.ts'

const MAX_COLUMNS = 1_000
const MAX_TEXT = 300

/** Where the files of a source are. */
export interface Place {
  readonly source: string
  /** The folder's real path. */
  readonly root: string
  /** URL that the paths are appended to, instead of that of the folder. */
  readonly locationBase?: string | undefined
}

export interface FileKnowledge {
  readonly dataset: DatasetMetadata
  readonly schemaRid: Rid
  readonly schema: DataSchemaDefinition
}

interface Read {
  readonly format: FileFormat
  readonly profile: TableProfile
  readonly sha256: string | undefined
}

/** What is published of a file. It says nothing of when it was looked at: the same file gives the same contents, so no event. */
export function datasetOfFile(place: Place, file: FoundFile, { format, profile, sha256 }: Read): FileKnowledge {
  const columns = profile.columns
    .slice(0, MAX_COLUMNS)
    .map(({ name, type }) => new ColumnDefinition({ name: shortened(name), type: shortened(type) }))
  const layout = layoutHash(profile.columns)
  const schemaRid = dataSchemaRid(place.source, layout)
  const dataset = new DatasetMetadata({
    name: basename(file.path, extname(file.path)),
    schema: schemaRid,
    format,
    location: locationOf(place, file.path),
    columns,
    ...(columns.length < profile.columns.length ? { column_count: profile.columns.length } : {}),
    rows: profile.rows,
    bytes: file.bytes,
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(file.modified === undefined ? {} : { modified: file.modified }),
    source: place.source,
    path: file.path,
  })
  return { dataset, schemaRid, schema: new DataSchemaDefinition({ name: layout, columns, source: place.source }) }
}

function locationOf({ root, locationBase }: Place, path: string): string {
  if (locationBase === undefined) return pathToFileURL(join(root, ...path.split('/'))).href
  return locationBase.replace(/\/?$/, '/') + path.split('/').map(encodeURIComponent).join('/')
}

/** Files with the same columns share a schema. */
function layoutHash(columns: readonly TableColumn[]): string {
  const layout = JSON.stringify(columns.map(({ name, type }) => [name, type]))
  return createHash('sha256').update(layout).digest('hex').slice(0, 16)
}

/** Types of nested columns and names of broken files can be as long as a page. */
function shortened(text: string): string {
  const characters = [...text.toWellFormed()]
  return characters.length <= MAX_TEXT ? text.toWellFormed() : `${characters.slice(0, MAX_TEXT - 1).join('')}…`
}
