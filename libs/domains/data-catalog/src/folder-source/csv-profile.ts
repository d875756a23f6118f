import type { FileFormat } from './file-format.ts'
import type { TextEncoding, TextHead } from './file-head.ts'
import { identifier, literal } from './sql.ts'
import type { OpenTable, Row } from './table-engine.ts'
import { TableError } from './table-error.ts'
import type { TableColumn, TableProfile } from './table-profile.ts'

/** What `sniff_csv` finds, and the arguments that make `read_csv` read it so. */
interface Sniffed {
  readonly columns: readonly TableColumn[]
  readonly dateFormat: string | undefined
  readonly timestampFormat: string | undefined
  readonly options: string
}

/**
 * Columns and types are sniffed from the beginning; then the whole file is read once, as text, to count its rows and to see which of the types
 * hold to its end. One that does not gives way to a wider one (`DOUBLE` for whole
 * numbers, `TIMESTAMP` for dates) where that holds, else to `VARCHAR`.
 */
export async function profileCsv(table: OpenTable, format: FileFormat, head: TextHead): Promise<TableProfile> {
  try {
    return await readCsv(table, format, head, head.encoding)
  } catch (error) {
    // The first byte that is no UTF-8 may stand behind what was looked at.
    if (head.encoding !== 'utf-8' || !/not utf-8 encoded|invalid unicode/i.test(String(error))) throw error
    return await readCsv(table, format, head, 'latin-1')
  }
}

async function readCsv(
  table: OpenTable,
  format: FileFormat,
  head: TextHead,
  encoding: TextEncoding,
): Promise<TableProfile> {
  const sniffed = await sniff(table, format, head, encoding)
  const checks = sniffed.columns.flatMap((column, index) => checksOf(column, index, sniffed))
  const [counted = {}] = await table.rows(
    `SELECT ${['count(*) AS "rows"', ...checks].join(', ')} FROM read_csv(${table.file}, ${sniffed.options})`,
  )
  return {
    columns: sniffed.columns.map(({ name, type }, index) => ({ name, type: settledType(type, index, counted) })),
    rows: Number(counted['rows']),
  }
}

async function sniff(table: OpenTable, format: FileFormat, head: TextHead, encoding: TextEncoding): Promise<Sniffed> {
  const base = [`encoding = '${encoding}'`, ...(format === 'tsv' ? [String.raw`delim = '\t'`] : [])].join(', ')
  const first = await sniffWith(table, base)
  const [line = ''] = head.text.trimStart().split(/\r?\n/, 1)
  const delimiter = first.columns.length === 1 && format === 'csv' ? likelyDelimiter(line) : undefined
  if (delimiter === undefined) return first
  // Rows of differing length make the sniffer take the whole line for one column.
  return await sniffWith(table, `${base}, delim = ${literal(delimiter)}, null_padding = true, strict_mode = false`)
}

async function sniffWith(table: OpenTable, options: string): Promise<Sniffed> {
  const [row] = await table.rows(`SELECT * FROM sniff_csv(${table.file}, ${options})`)
  if (row === undefined) throw new TableError('no_table', 'has no rows that look like a table')
  const columns = row['Columns'] as TableColumn[]
  const found = [
    option('delim', row['Delimiter']),
    option('quote', row['Quote']),
    option('escape', row['Escape']),
    option('comment', row['Comment']),
    ...newLine(row['NewLineDelimiter']),
    `header = ${String(row['HasHeader'])}`,
    `skip = ${Number(row['SkipRows'])}`,
    "compression = 'none'",
    'hive_partitioning = false',
    'auto_detect = false',
    `columns = {${columns.map(({ name }) => `${literal(name)}: 'VARCHAR'`).join(', ')}}`,
  ]
  const rest = options.replace(/, delim = '(?:[^']|'')*'/, '')
  return {
    columns,
    dateFormat: textOf(row['DateFormat']),
    timestampFormat: textOf(row['TimestampFormat']),
    options: [...found, rest].join(', '),
  }
}

/** `\\n` and the like are written as such; for a file of mixed line ends nothing is said. */
function newLine(value: unknown): string[] {
  const text = textOf(value)
  return text === undefined || !/^(\\r)?(\\n)?$/.test(text) ? [] : [`new_line = ${literal(text)}`]
}

function option(name: string, value: unknown): string {
  const text = textOf(value) ?? ''
  return `${name} = ${literal(text === '(empty)' ? '' : text)}`
}

/** What a type becomes when some of its values do not have it, but all have this. */
const WIDER: Readonly<Record<string, string>> = { BIGINT: 'DOUBLE', DATE: 'TIMESTAMP' }

/** For a column that is more than text: how many of its values do not have the type, and how many not the wider one. */
function checksOf({ name, type }: TableColumn, index: number, sniffed: Sniffed): string[] {
  if (type === 'VARCHAR') return []
  const column = identifier(name)
  const count = (misfit: string, as: string): string =>
    `count(*) FILTER (${column} IS NOT NULL AND (${misfit})) AS ${as}`
  const misfit = count(misfitOf(column, type, sniffed), `misfits${index}`)
  const wider = WIDER[type]
  return wider === undefined ? [misfit] : [misfit, count(`TRY_CAST(${column} AS ${wider}) IS NULL`, `wider${index}`)]
}

function misfitOf(column: string, type: string, sniffed: Sniffed): string {
  const format =
    type === 'DATE' ? sniffed.dateFormat : type.startsWith('TIMESTAMP') ? sniffed.timestampFormat : undefined
  if (format !== undefined) return `try_strptime(${column}, ${literal(format)}) IS NULL`
  const misfit = `TRY_CAST(${column} AS ${type}) IS NULL`
  // The cast would round 1.5.
  return type === 'BIGINT' ? `${misfit} OR NOT regexp_full_match(${column}, ' *[-+]?[0-9]+ *')` : misfit
}

function settledType(type: string, index: number, counted: Row): string {
  if (Number(counted[`misfits${index}`] ?? 0) === 0) return type
  return Number(counted[`wider${index}`] ?? 1) === 0 ? (WIDER[type] ?? 'VARCHAR') : 'VARCHAR'
}

function likelyDelimiter(line: string): string | undefined {
  const [best] = [',', ';', '\t', '|']
    .map((delimiter) => ({ delimiter, count: line.split(delimiter).length - 1 }))
    .sort((a, b) => b.count - a.count)
  return best === undefined || best.count === 0 ? undefined : best.delimiter
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
