import type { Paint } from '../io.ts'
import { printable, shortened, shortRid } from '../output/printable.ts'

/** A row of `GET /api/dead-letters`. */
export interface DeadLetterRow {
  readonly place: number
  readonly rid: string
  readonly event_type: string | null
  readonly source: string | null
  readonly phase: string
  readonly attempts: number
  readonly failed_at: string
  readonly error: string
}

const HEAD = ['PLACE', 'FAILED AT', 'TRIES', 'EVENT', 'RID', 'ERROR'] as const
/** How much of a line the last two columns leave each other. */
const RID_SHARE = 0.5
const GAP = '  '

/** A line per dead letter under a head, as wide as the terminal at most: what is too long is cut, `show` has all of it. */
export const deadLetterTable = (rows: readonly DeadLetterRow[], width: number, paint: Paint): string[] => {
  const cells = rows.map(({ place, failed_at, attempts, event_type, rid, error }) => [
    String(place),
    timeOf(failed_at),
    String(attempts),
    printable(event_type ?? '–'),
    shortRid(rid),
    printable(error),
  ])
  const widths = HEAD.map((name, column) => Math.max(name.length, ...cells.map((cell) => lengthOf(cell[column]))))
  const fixed = widths.slice(0, 4).reduce((sum, columns) => sum + columns, 0) + 5 * GAP.length
  const room = Math.max(40, width - fixed)
  const ridWidth = Math.min(widths[4] ?? 0, Math.max(Math.floor(room * RID_SHARE), room - (widths[5] ?? 0)))
  const limits = [...widths.slice(0, 4), ridWidth, room - ridWidth]
  const line = (row: readonly string[]) =>
    row
      .map((text, column) => fitted(text, limits[column] ?? 0))
      .join(GAP)
      .trimEnd()
  return [paint('bold', line(HEAD)), ...cells.map(line)]
}

/** To the second, in UTC as the logs say it. */
const timeOf = (iso: string): string => printable(iso.replace(/\.\d+Z$/u, 'Z'))

const lengthOf = (text = ''): number => [...text].length

const fitted = (text: string, width: number): string => {
  const short = shortened(text, width)
  return short + ' '.repeat(Math.max(0, width - lengthOf(short)))
}
