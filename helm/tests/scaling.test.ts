import { describe, expect, test } from 'vitest'
import { EXTRA_APIS, HELMS, render } from './chart.ts'

const KEDA = {
  enabled: true,
  minReplicas: 1,
  maxReplicas: 6,
  serverAddress: 'http://prometheus.monitoring.svc:9090',
  pendingPerReplica: 50,
}
const apis = EXTRA_APIS

describe.for(HELMS)('%s: replicas of a node', (name) => {
  test('come one after another, without a gap', async () => {
    const chart = await render(name, { producers: { example: { replicas: 3 } } })
    expect(chart.get('Deployment', 'producer-example')['spec']).toMatchObject({
      replicas: 3,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    })
    expect(chart.get('Deployment', 'gateway')['spec'].replicas).toBe(1)
  })

  test('are spread, where they can be', async () => {
    const [on, hard, off] = await Promise.all([
      render(name),
      render(name, {
        gateway: { topologySpread: { topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' } },
      }),
      render(name, { nodeDefaults: { topologySpread: { enabled: false } } }),
    ])
    const labels = on.get('Deployment', 'gateway')['spec'].selector.matchLabels
    const spread = { maxSkew: 1, labelSelector: { matchLabels: labels }, matchLabelKeys: ['pod-template-hash'] }
    expect(on.pod('gateway').topologySpreadConstraints).toEqual([
      { ...spread, topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
    ])
    expect(hard.pod('gateway').topologySpreadConstraints).toEqual([
      { ...spread, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'DoNotSchedule' },
    ])
    expect(off.pod('gateway').topologySpreadConstraints).toBeUndefined()
  })

  test('follow the processor, where that is asked for', async () => {
    const behavior = { scaleDown: { stabilizationWindowSeconds: 30 } }
    const chart = await render(name, {
      gateway: {
        autoscaling: { enabled: true, minReplicas: 2, maxReplicas: 9, targetCPUUtilizationPercentage: 55, behavior },
      },
    })
    expect(chart.get('HorizontalPodAutoscaler', 'gateway')['spec']).toEqual({
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'koi-koi-mcp-gateway' },
      minReplicas: 2,
      maxReplicas: 9,
      metrics: [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 55 } } },
      ],
      behavior,
    })
    expect(chart.names('HorizontalPodAutoscaler')).toEqual(['koi-koi-mcp-gateway'])
    // Or every upgrade would set the number back.
    expect(chart.get('Deployment', 'gateway')['spec']).not.toHaveProperty('replicas')
  })

  test('follow the work that waits, by KEDA: the number of one node, never a sum', async () => {
    const chart = await render(name, { producers: { example: { keda: KEDA } } }, { apis })
    const { triggers, ...spec } = chart.get('ScaledObject', 'producer-example')['spec']
    expect(spec).toEqual({
      scaleTargetRef: { name: 'koi-koi-mcp-producer-example' },
      minReplicaCount: 1,
      maxReplicaCount: 6,
      pollingInterval: 15,
      cooldownPeriod: 120,
      fallback: { failureThreshold: 3, replicas: 1, behavior: 'currentReplicasIfHigher' },
    })
    expect(triggers).toEqual([
      {
        type: 'prometheus',
        metricType: 'AverageValue',
        metadata: {
          serverAddress: KEDA.serverAddress,
          query:
            'max(koi_mcp_inbox_pending{namespace="knowledge",pod=~"koi-koi-mcp-producer-example-[a-z0-9]+-[a-z0-9]+"})',
          threshold: '50',
        },
      },
    ])
    expect(chart.get('Deployment', 'producer-example')['spec']).not.toHaveProperty('replicas')
  })

  test('by a query and with a login of one’s own', async () => {
    const keda = { ...KEDA, query: 'max(x)', authenticationRef: 'prometheus' }
    const chart = await render(name, { gateway: { keda } }, { apis })
    expect(chart.get('ScaledObject', 'gateway')['spec'].triggers[0]).toMatchObject({
      metadata: { query: 'max(x)' },
      authenticationRef: { name: 'prometheus' },
    })
  })

  test.for<[object, boolean]>([
    [{ replicas: 1 }, false],
    [{ replicas: 2 }, true],
    [{ replicas: 2, podDisruptionBudget: { enabled: false } }, false],
    [{ replicas: 4, autoscaling: { enabled: true, minReplicas: 1 } }, false],
    [{ autoscaling: { enabled: true, minReplicas: 2 } }, true],
    [{ keda: { ...KEDA, minReplicas: 2 } }, true],
  ])('have a budget only where there are always two: %j → %s', async ([gateway, expected]) => {
    const chart = await render(name, { gateway }, { apis })
    expect(chart.find('PodDisruptionBudget', 'gateway')?.['spec']).toEqual(
      expected
        ? {
            maxUnavailable: 1,
            unhealthyPodEvictionPolicy: 'AlwaysAllow',
            selector: { matchLabels: chart.get('Deployment', 'gateway')['spec'].selector.matchLabels },
          }
        : undefined,
    )
  })

  test('have time to end what they do', async () => {
    const chart = await render(name, {
      nodeDefaults: { preStopSeconds: 8, terminationGracePeriodSeconds: 90, startupSeconds: 60 },
    })
    expect(chart.pod('coordinator').terminationGracePeriodSeconds).toBe(90)
    expect(chart.container('coordinator').lifecycle).toEqual({ preStop: { sleep: { seconds: 8 } } })
    expect(chart.container('coordinator').startupProbe).toEqual({
      httpGet: { path: '/readyz', port: 'http' },
      periodSeconds: 2,
      failureThreshold: 30,
    })
    expect(chart.container('coordinator').livenessProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
    expect(chart.container('coordinator').readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
  })
})
