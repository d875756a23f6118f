import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { CHART, EXTRA_APIS, HELMS, render } from './chart.ts'

const apis = EXTRA_APIS
// Both are templates of their own kind, which Helm must leave alone.
const ALERTS = {
  groups: [
    {
      name: 'some',
      rules: [{ alert: 'Some', expr: 'up == 0', for: '5m', annotations: { summary: '{{ $labels.pod }} is down' } }],
    },
  ],
}
const DASHBOARD = { title: 'Some', panels: [{ targets: [{ expr: 'up', legendFormat: '{{pod}}' }] }] }

/** The chart with a file of alerts and a dashboard more. */
const CHANGED = mkdtempSync(join(tmpdir(), 'koi-chart-'))
cpSync(CHART, CHANGED, { recursive: true })
for (const folder of ['alerts', 'dashboards']) mkdirSync(join(CHANGED, folder), { recursive: true })
writeFileSync(join(CHANGED, 'alerts/some.yaml'), stringify(ALERTS))
writeFileSync(join(CHANGED, 'dashboards/some.json'), `${JSON.stringify(DASHBOARD, null, 2)}\n`)
afterAll(() => rmSync(CHANGED, { recursive: true }))

describe.for(HELMS)('%s: to see what goes on', (name) => {
  test('every node serves metrics, and says where', async () => {
    const chart = await render(name, { metrics: { port: 9999 } })
    for (const object of ['coordinator', 'producer-example', 'gateway']) {
      expect(chart.settings(object).metrics).toEqual({ port: 9999 })
      expect(chart.container(object).ports).toEqual([
        { name: 'http', containerPort: 9000 },
        { name: 'metrics', containerPort: 9999 },
      ])
      expect(chart.get('Service', object)['spec'].ports[1]).toEqual({
        name: 'metrics',
        port: 9999,
        targetPort: 'metrics',
      })
      expect(chart.get('Deployment', object)['spec'].template.metadata.annotations).toMatchObject({
        'prometheus.io/scrape': 'true',
        'prometheus.io/port': '9999',
        'prometheus.io/path': '/metrics',
      })
    }
  })

  test('or none of it', async () => {
    const chart = await render(name, { metrics: { enabled: false } }, { apis })
    expect(chart.settings('gateway')).not.toHaveProperty('metrics')
    expect(chart.container('gateway').ports).toEqual([{ name: 'http', containerPort: 9000 }])
    expect(Object.keys(chart.get('Deployment', 'gateway')['spec'].template.metadata.annotations)).not.toContain(
      'prometheus.io/scrape',
    )
    expect(chart.get('NetworkPolicy', 'gateway')['spec'].ingress).toHaveLength(1)
    expect([...chart.names('PodMonitor'), ...chart.names('PrometheusRule')]).toEqual([])
    const silent = await render(name, { metrics: { annotations: false } })
    expect(Object.keys(silent.get('Deployment', 'gateway')['spec'].template.metadata.annotations)).not.toContain(
      'prometheus.io/scrape',
    )
  })

  test.for([
    ['PodMonitor', 'podMetricsEndpoints', 'podMonitor'],
    ['ServiceMonitor', 'endpoints', 'serviceMonitor'],
  ] as const)('a %s picks all nodes, and no server', async ([kind, endpoints, value]) => {
    const monitors = {
      podMonitor: { enabled: false },
      [value]: { enabled: true, labels: { release: 'prometheus' }, interval: '10s' },
    }
    const [with_, without] = await Promise.all([
      render(name, { metrics: monitors }, { apis }),
      render(name, { metrics: monitors }),
    ])
    expect(without.names(kind)).toEqual([])
    const [monitor] = with_.objects.filter((object) => object.kind === kind)
    expect(monitor!.metadata.labels['release']).toBe('prometheus')
    expect(monitor!['spec'][endpoints]).toEqual([{ port: 'metrics', path: '/metrics', interval: '10s' }])
    expect(monitor!['spec'].jobLabel).toBe('app.kubernetes.io/name')
    expect(monitor!['spec'].selector.matchExpressions[0].values).toEqual(['coordinator', 'producer', 'gateway'])
  })

  test('every file of alerts is a PrometheusRule, as it stands', async () => {
    const labels = { release: 'prometheus' }
    const [chart, off, bare] = await Promise.all([
      render(name, { metrics: { prometheusRule: { labels } } }, { apis, chart: CHANGED }),
      render(name, { metrics: { prometheusRule: { enabled: false } } }, { apis, chart: CHANGED }),
      render(name, {}, { chart: CHANGED }),
    ])
    const rule = chart.get('PrometheusRule', 'some')
    expect(rule['spec']).toEqual(ALERTS)
    expect(rule.metadata.labels).toMatchObject(labels)
    expect([...off.names('PrometheusRule'), ...bare.names('PrometheusRule')]).toEqual([])
  })

  test('every dashboard is a ConfigMap with the label that Grafana looks for', async () => {
    const [chart, off] = await Promise.all([
      render(name, { dashboards: { labels: { dash: 'yes' }, annotations: { folder: 'KOI' } } }, { chart: CHANGED }),
      render(name, { dashboards: { enabled: false } }, { chart: CHANGED }),
    ])
    const map = chart.get('ConfigMap', 'dashboard-some')
    expect(map.metadata.labels).toMatchObject({ dash: 'yes', grafana_dashboard: '1' })
    expect(map.metadata.annotations).toEqual({ folder: 'KOI' })
    expect(map['data']).toEqual({ 'some.json': `${JSON.stringify(DASHBOARD, null, 2)}\n` })
    expect(off.find('ConfigMap', 'dashboard-some')).toBeUndefined()
  })

  test('traces go where the values say, and nowhere by default', async () => {
    const tracing = { endpoint: 'http://collector:4318', env: { OTEL_TRACES_SAMPLER_ARG: '0.5' } }
    const [on, off] = await Promise.all([render(name, { tracing }), render(name)])
    expect(on.env('producer-example')).toMatchObject({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
      OTEL_SERVICE_NAME: 'example',
      OTEL_RESOURCE_ATTRIBUTES: 'service.namespace=koi,k8s.namespace.name=knowledge',
      OTEL_TRACES_SAMPLER_ARG: '0.5',
    })
    expect(Object.keys(off.env('producer-example')).filter((variable) => variable.startsWith('OTEL_'))).toEqual([])
  })
})
