/** A call of a function always has a row. */
export function theRow<T>(row: T | undefined): T {
  if (row === undefined) throw new Error('Postgres answered a call without a row')
  return row
}
