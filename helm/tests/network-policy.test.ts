import { describe, expect, test } from 'vitest'
import { HELMS, render } from './chart.ts'
import type { Rendered } from './chart.ts'
import { EXPOSED } from './values.ts'

const LABELS = { 'app.kubernetes.io/name': 'koi-mcp', 'app.kubernetes.io/instance': 'koi' }
const NODES = {
  podSelector: {
    matchLabels: LABELS,
    matchExpressions: [
      { key: 'app.kubernetes.io/component', operator: 'In', values: ['coordinator', 'producer', 'gateway'] },
    ],
  },
}
const CLIENTS = { podSelector: { matchLabels: { 'koi-koi-mcp-client': 'true' } } }
const DNS = {
  to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
  ports: [
    { port: 53, protocol: 'UDP' },
    { port: 53, protocol: 'TCP' },
  ],
}
const server = (component: string, port: number) => ({
  to: [{ podSelector: { matchLabels: { ...LABELS, 'app.kubernetes.io/component': component } } }],
  ports: [{ port }],
})
const policy = (chart: Rendered, name: string) => chart.get('NetworkPolicy', name)['spec']
const ENTRANCE = EXPOSED.networkPolicy.gatewayFrom

describe.for(HELMS)('%s: the network policies', (name) => {
  test('deny everything to and from every pod of the release', async () => {
    const chart = await render(name)
    expect(policy(chart, 'default-deny')).toEqual({
      podSelector: { matchLabels: LABELS },
      policyTypes: ['Ingress', 'Egress'],
    })
  })

  test('open what a node needs, and no more', async () => {
    const chart = await render(name)
    for (const object of ['coordinator', 'producer-example', 'gateway']) {
      const { podSelector, policyTypes, ingress, egress } = policy(chart, object)
      expect(podSelector.matchLabels).toEqual(chart.get('Deployment', object)['spec'].selector.matchLabels)
      expect(policyTypes).toEqual(['Ingress', 'Egress'])
      expect(ingress).toEqual([
        { ports: [{ port: 'http' }], from: [NODES, CLIENTS] },
        {
          ports: [{ port: 'metrics' }],
          from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } } }],
        },
      ])
      expect(egress).toEqual([
        DNS,
        { to: [NODES], ports: [{ port: 9000 }] },
        server('postgres', 5432),
        server('valkey', 6379),
      ])
    }
  })

  test('let nodes alone at the servers, and these nowhere', async () => {
    const chart = await render(name)
    for (const [object, port] of [
      ['postgres', 'postgres'],
      ['valkey', 'redis'],
    ] as const) {
      const { ingress, egress, policyTypes } = policy(chart, object)
      expect({ ingress, egress, policyTypes }).toEqual({
        ingress: [{ ports: [{ port }], from: [NODES] }],
        egress: undefined,
        policyTypes: ['Ingress', 'Egress'],
      })
    }
  })

  test('let a node at no server that it does not use', async () => {
    const chart = await render(name, { gateway: { storage: 'file' } })
    expect(policy(chart, 'gateway').egress).toEqual([DNS, { to: [NODES], ports: [{ port: 9000 }] }])
  })

  test('open the ports of what runs elsewhere, as narrow as the values say', async () => {
    const outside = {
      postgres: { enabled: false },
      externalPostgres: { existingSecret: 'pg', port: 6432 },
      valkey: { enabled: false },
      externalRedis: { existingSecret: 'redis', port: 6380 },
      tracing: { endpoint: 'http://collector:4318' },
      security: { auth: EXPOSED.security.auth },
    }
    const to = [{ ipBlock: { cidr: '10.1.0.0/16' } }]
    const [wide, narrow] = await Promise.all([
      render(name, outside),
      render(name, { ...outside, networkPolicy: { externalTo: to } }),
    ])
    expect(policy(wide, 'gateway').egress.slice(2)).toEqual(
      [6432, 6380, 4318, 443].map((port) => ({ ports: [{ port }] })),
    )
    expect(policy(narrow, 'gateway').egress.slice(2)).toEqual(
      [6432, 6380, 4318, 443].map((port) => ({ ports: [{ port }], to })),
    )
  })

  test('open the gateway alone for who forwards requests', async () => {
    const chart = await render(name, { networkPolicy: { gatewayFrom: ENTRANCE } })
    expect(policy(chart, 'gateway').ingress[0].from).toEqual([NODES, CLIENTS, ...ENTRANCE])
    expect(policy(chart, 'coordinator').ingress[0].from).toEqual([NODES, CLIENTS])
  })

  test('let nodes from elsewhere in, and ours to them', async () => {
    const peers = [{ ipBlock: { cidr: '192.0.2.0/24' } }]
    const chart = await render(name, { networkPolicy: { peers } })
    expect(policy(chart, 'coordinator').ingress[0].from).toEqual([NODES, CLIENTS, ...peers])
    expect(policy(chart, 'coordinator').egress).toContainEqual({ to: peers })
  })

  test('take other names for DNS and Prometheus, and more rules', async () => {
    const anyone = [{ namespaceSelector: {} }]
    const rule = { ports: [{ port: 1883 }] }
    const chart = await render(name, { networkPolicy: { dns: anyone, metricsFrom: [], extraEgress: [rule] } })
    expect(policy(chart, 'gateway').egress[0]).toEqual({ ...DNS, to: anyone })
    expect(policy(chart, 'gateway').egress).toContainEqual(rule)
    expect(policy(chart, 'gateway').ingress).toHaveLength(1)
  })

  test('are none where they are switched off', async () => {
    const chart = await render(name, { networkPolicy: { enabled: false } })
    expect(chart.names('NetworkPolicy')).toEqual([])
  })
})
