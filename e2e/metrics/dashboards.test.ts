import { describe, expect, it } from 'vitest'
import { alertRules, asSent, dashboards, metricNames, minutesAsSeconds, runbooks } from './monitoring-files.ts'
import type { Panel } from './monitoring-files.ts'

const overlap = ({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h

describe.each(dashboards)('the dashboard $file', ({ file, dashboard }) => {
  const { panels, templating } = dashboard

  it('has what Grafana needs to take it', () => {
    expect(dashboard.uid).toMatch(/^koi-mcp-[a-z-]{1,32}$/)
    expect(dashboard.title).toMatch(/^KOI-MCP: /)
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(39)
    expect(dashboard.tags).toContain('koi-mcp')
    expect(dashboard).not.toHaveProperty('id')
    expect(templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['node', 'query'],
    ])
    expect(panels.length, file).toBeGreaterThan(5)
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
  })

  it.each(panels.map((panel) => ({ title: panel.title, panel })))('has a sound panel "$title"', ({ panel }) => {
    const { gridPos, targets, datasource } = panel
    expect(['timeseries', 'stat', 'table']).toContain(panel.type)
    expect(panel.description).not.toBe('')
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
    expect(Math.min(gridPos.x, gridPos.y)).toBeGreaterThanOrEqual(0)
    expect(Math.min(gridPos.w, gridPos.h)).toBeGreaterThan(0)
    expect(datasource).toEqual({ type: 'prometheus', uid: '${datasource}' })
    expect(targets.length).toBeGreaterThan(0)
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
    for (const { expr, datasource: of } of targets) {
      expect(of).toEqual(datasource)
      expect(expr).toContain('node=~"$node"')
      expect(metricNames(asSent(expr))).not.toEqual([])
    }
    expect(panels.filter((other) => other !== panel && overlap(panel, other))).toEqual([])
  })
})

describe('the dashboards', () => {
  it('are told apart', () => {
    expect(new Set(dashboards.map(({ dashboard }) => dashboard.uid)).size).toBe(dashboards.length)
  })
})

describe('the alerts', () => {
  it.each(alertRules.map((rule) => ({ name: rule.alert, rule })))('$name says what to do', ({ name, rule }) => {
    expect(name).toMatch(/^KoiMcp[A-Z][A-Za-z]+$/)
    expect(rule.for).toMatch(/^\d+m$/)
    expect(['critical', 'warning']).toContain(rule.labels['severity'])
    expect(rule.annotations['summary']).toContain('$')
    expect(rule.annotations['description']).not.toBe('')
    expect(rule.annotations['runbook_url']).toBe(`docs/runbooks/${name}.md`)
    const page = runbooks.get(name)
    for (const part of [`# ${name}`, '## What it means', '## What to do', '## When it clears'])
      expect(page).toContain(part)
  })

  it('have a page each, and no page is left over', () => {
    expect([...runbooks.keys()].sort()).toEqual(alertRules.map(({ alert }) => alert).sort())
  })
})

describe('the rules for tests', () => {
  it('have minutes that last a second', () => {
    const rules = 'expr: lag[10m] > 5 * 60 and x > 0.05\nfor: 2m # in minutes, 1ms, m5m'
    expect(minutesAsSeconds(rules)).toBe('expr: lag[10s] > 5 and x > 0.05\nfor: 2s # in minutes, 1ms, m5m')
  })
})
