/** A metric with its values, as prom-client's registry gives it. */
export interface Exposed {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly values: readonly ExposedValue[]
}

interface ExposedValue {
  readonly labels: Readonly<Partial<Record<string, string | number>>>
  readonly value: number
  /** Of the parts of a histogram. */
  readonly metricName?: string | undefined
  readonly exemplar?: {
    readonly labelSet: Readonly<Partial<Record<string, string | number>>>
    readonly value: number
    /** Seconds since the epoch. */
    readonly timestamp?: number
  } | null
}

export type Format = 'prometheus' | 'openmetrics'

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/**
 * The text of a scrape. Written here, for prom-client writes one format for good and renames counters for the other.
 *
 *     # HELP name text
 *     # TYPE name counter
 *     name_total{label="value"} 1            OpenMetrics: the family is `name`, and an exemplar may follow:
 *     name_bucket{le="0.1"} 1 # {trace_id="…"} 0.05 1700000000.5
 */
export function expositionText(metrics: readonly Exposed[], format: Format): string {
  const families = metrics.map((metric) => familyText(metric, format))
  return `${families.join('')}${format === 'openmetrics' ? '# EOF\n' : ''}`
}

function familyText({ name, help, type, values }: Exposed, format: Format): string {
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name
  const head = `# HELP ${family} ${escaped(help)}\n# TYPE ${family} ${type}\n`
  const lines = values.map(({ labels, value, metricName, exemplar }) => {
    const sample = `${metricName ?? name}${labelsText(labels)} ${numberText(value)}`
    if (format === 'prometheus' || exemplar === undefined || exemplar === null) return `${sample}\n`
    const at = exemplar.timestamp === undefined ? '' : ` ${exemplar.timestamp}`
    return `${sample} # ${labelsText(exemplar.labelSet) || '{}'} ${numberText(exemplar.value)}${at}\n`
  })
  return head + lines.join('')
}

function labelsText(labels: Exposed['values'][number]['labels']): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
