import type { FileFormat } from './file-format.ts'
import type { TextHead } from './file-head.ts'
import type { OpenTable } from './table-engine.ts'
import { TableError } from './table-error.ts'
import { describedColumns } from './table-profile.ts'
import type { TableProfile } from './table-profile.ts'

/** Types are inferred from so many records; from all would take a second pass over the file. */
const SAMPLED_RECORDS = 100_000

/** An array of objects, or a line for each. */
export async function profileJson(table: OpenTable, format: FileFormat, head: TextHead): Promise<TableProfile> {
  if (head.encoding !== 'utf-8') throw new TableError('no_table', 'is not UTF-8, as JSON has to be')
  const layout = format === 'jsonl' ? 'newline_delimited' : layoutOf(head.text.trimStart())
  const source = `read_json(${table.file}, format = '${layout}', records = 'true', compression = 'uncompressed', hive_partitioning = false, sample_size = ${SAMPLED_RECORDS})`
  try {
    const described = await table.rows(`DESCRIBE SELECT * FROM ${source}`)
    const [counted] = await table.rows(`SELECT count(*) AS rows FROM ${source}`)
    return { columns: describedColumns(described), rows: Number(counted?.['rows'] ?? 0) }
  } catch (error) {
    if (!String(error).includes('expected records')) throw error
    throw new TableError('no_table', 'holds no objects with fields', { cause: error })
  }
}

function layoutOf(text: string): 'array' | 'newline_delimited' {
  if (text.startsWith('[')) return 'array'
  if (!text.startsWith('{')) throw new TableError('no_table', 'is neither an array of objects nor JSON lines')
  if (isLines(text)) return 'newline_delimited'
  if (/"type"\s*:\s*"(Feature|FeatureCollection|GeometryCollection|Point|LineString|Polygon|Multi\w+)"/.test(text)) {
    throw new TableError('no_table', 'is GeoJSON, not a table')
  }
  throw new TableError('no_table', 'is a single JSON object, not an array of objects')
}

/** Whether the first line is an object by itself and another follows. */
function isLines(text: string): boolean {
  const end = text.indexOf('\n')
  if (end < 0 || !text.slice(end).trimStart().startsWith('{')) return false
  try {
    JSON.parse(text.slice(0, end))
    return true
  } catch {
    return false
  }
}
