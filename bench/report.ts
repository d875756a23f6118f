import { ratioOf, spreadOf } from './result.ts'
import type { RowResult, Spread, Values } from './result.ts'

const HEAD = ['row', '', 'ours', 'reference', 'ours / reference', 'floor', 'ours / floor']

/** The results as a Markdown table; each cell is the median, with the least and the greatest of the rounds. */
export function tableOf(results: readonly RowResult[]): string {
  const reasons: string[] = []
  const cell = (values: Values): string => {
    if (!('why' in values)) return spreadText(spreadOf(values))
    if (!reasons.includes(values.why)) reasons.push(values.why)
    return `– (${reasons.indexOf(values.why) + 1})`
  }
  const rows = results.map((result) => [
    result.row,
    `${result.what}, ${result.unit}`,
    cell(result.ours),
    cell(result.reference),
    spreadText(ratioOf(result, result.reference), ' ×'),
    cell(result.floor),
    spreadText(percent(ratioOf(result, result.floor)), ' %'),
  ])
  const widths = HEAD.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(HEAD), rule, ...rows.map(line), '', ...reasons.map((why, index) => `(${index + 1}) ${why}`)].join('\n')
}

function percent(ratio: Spread | undefined): Spread | undefined {
  return ratio && { min: ratio.min * 100, median: ratio.median * 100, max: ratio.max * 100 }
}

function spreadText(spread: Spread | undefined, unit = ''): string {
  if (spread === undefined) return '–'
  const { min, median, max } = spread
  return `${digits(median)}${unit} (${digits(min)} – ${digits(max)})`
}

function digits(value: number): string {
  const places = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places })
}
