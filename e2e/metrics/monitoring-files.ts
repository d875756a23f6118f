import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DASHBOARDS = join(ROOT, 'deploy/grafana/dashboards')

interface Target {
  readonly refId: string
  readonly expr: string
  readonly datasource: { readonly type: string; readonly uid: string }
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource: { readonly type: string; readonly uid: string }
  readonly targets: readonly Target[]
}

export interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly tags: readonly string[]
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly query: unknown }[]
  }
  readonly panels: readonly Panel[]
}

export interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export const dashboards: readonly { readonly file: string; readonly dashboard: Dashboard }[] = readdirSync(
  DASHBOARDS,
).map((file) => ({ file, dashboard: JSON.parse(readFileSync(join(DASHBOARDS, file), 'utf8')) as Dashboard }))

export const rulesText = readFileSync(join(ROOT, 'deploy/prometheus/alerts.yaml'), 'utf8')

export const alertRules = (
  parse(rulesText) as { groups: readonly { readonly rules: readonly AlertRule[] }[] }
).groups.flatMap(({ rules }) => rules)

/** The pages of docs/runbooks by the alert that they are for. */
export const runbooks: ReadonlyMap<string, string> = new Map(
  readdirSync(join(ROOT, 'docs/runbooks'))
    .filter((file) => file !== 'README.md')
    .map((file) => [basename(file, '.md'), readFileSync(join(ROOT, 'docs/runbooks', file), 'utf8')]),
)

/** The rules with minutes that last a second: every duration `5m` is `5s`, every number of seconds `5 * 60` is `5`. */
export function minutesAsSeconds(rules: string): string {
  return rules.replaceAll(/\b(\d+)m\b/g, '$1s').replaceAll(/\b(\d+) \* 60\b/g, '$1')
}

/** A panel's expression as Grafana sends it, with all nodes chosen. */
export function asSent(expression: string): string {
  return expression.replaceAll('$__rate_interval', '10s').replaceAll('$node', '.*')
}

/** What the panels of a dashboard ask for. */
export function expressionsOf({ panels }: Dashboard): readonly string[] {
  return panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
}

/** The names of metrics in an expression: what stands before no `(`, and is no label, keyword or number. */
export function metricNames(expression: string): readonly string[] {
  const bare = expression.replaceAll(/"[^"]*"/g, '').replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
  const names =
    bare.replaceAll(/\b(by|on|ignoring|without)\s*\([^)]*\)/g, ' ').match(/\b[a-z_][a-z0-9_]*\b(?!\s*\()/g) ?? []
  return [...new Set(names.filter((name) => !['and', 'or', 'unless', 'bool', 'by'].includes(name)))]
}
