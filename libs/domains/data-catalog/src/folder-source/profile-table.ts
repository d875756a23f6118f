import type { FileFormat } from './file-format.ts'
import { readHead, textHead } from './file-head.ts'
import { profileCsv } from './csv-profile.ts'
import { profileJson } from './json-profile.ts'
import type { OpenTable, TableEngine } from './table-engine.ts'
import { TableError } from './table-error.ts'
import { describedColumns } from './table-profile.ts'
import type { TableProfile } from './table-profile.ts'

/**
 * Reads a file as far as it takes to say what it holds: columns, types, rows. Memory stays bounded whatever its size.
 *
 * @throws TableError when it is no table or cannot be read; errors of the file system as they are
 */
export async function profileTable(
  engine: TableEngine,
  path: string,
  format: FileFormat,
  signal: AbortSignal,
): Promise<TableProfile> {
  const head = await readHead(path)
  if (head.length === 0) throw new TableError('no_table', 'is empty')
  return await engine.with(path, format, signal, (table) => {
    switch (format) {
      case 'csv':
      case 'tsv':
        return profileCsv(table, format, textHead(head))
      case 'json':
      case 'jsonl':
        return profileJson(table, format, textHead(head))
      case 'parquet':
        return profileParquet(table, head)
    }
  })
}

async function profileParquet(table: OpenTable, head: Buffer): Promise<TableProfile> {
  if (head.subarray(0, 4).toString('latin1') !== 'PAR1') {
    throw new TableError('no_table', 'is not Parquet (it does not begin with PAR1)')
  }
  const described = await table.rows(`DESCRIBE SELECT * FROM read_parquet(${table.file}, hive_partitioning = false)`)
  const [counted] = await table.rows(`SELECT sum(num_rows) AS rows FROM parquet_file_metadata(${table.file})`)
  return { columns: describedColumns(described), rows: Number(counted?.['rows'] ?? 0) }
}
