export interface TableColumn {
  readonly name: string
  readonly type: string
}

/** What a table file holds. */
export interface TableProfile {
  readonly columns: readonly TableColumn[]
  readonly rows: number
}

/** The answer of a DESCRIBE. */
export function describedColumns(rows: readonly Readonly<Record<string, unknown>>[]): TableColumn[] {
  return rows.map((row) => ({ name: String(row['column_name']), type: String(row['column_type']) }))
}
