import type { JsonObject, JsonValue } from '@koi-mcp/protocol'

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB']

/** One line about a dataset: `CSV, 8 rows, 5 columns (name, mass_kg, …), 412 bytes`. Takes contents that fit no schema, too. */
export function summaryOf(contents: JsonObject): string {
  const parts: string[] = []
  const { format, rows, bytes } = contents
  if (typeof format === 'string') parts.push(format.toUpperCase())
  if (typeof rows === 'number') parts.push(counted(rows, 'row'))
  const names = columnNames(contents)
  if (names.length > 0) {
    const total = typeof contents['column_count'] === 'number' ? contents['column_count'] : names.length
    const shown = names.slice(0, 8).join(', ') + (total > 8 ? ', …' : '')
    parts.push(`${counted(total, 'column')} (${shown})`)
  }
  if (typeof bytes === 'number') parts.push(sizeText(bytes))
  return parts.join(', ')
}

/** The names of the columns as far as the contents list them. */
export function columnNames(contents: JsonObject): string[] {
  const columns = contents['columns']
  if (!isArray(columns)) return []
  return columns.map(nameOf).filter((name) => name !== undefined)
}

function nameOf(column: JsonValue): string | undefined {
  if (typeof column !== 'object' || column === null || isArray(column)) return undefined
  return typeof column['name'] === 'string' ? column['name'] : undefined
}

function isArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value)
}

function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

function sizeText(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1)
  const size = bytes / 1000 ** power
  return `${Number(size.toPrecision(3))} ${UNITS[power]}`
}
