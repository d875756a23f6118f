import { describe, expect, test } from 'vitest'
import { HELMS, render } from './chart.ts'

const OBJECTS = ['coordinator', 'producer-example', 'gateway']

describe.for(HELMS)('%s: a node', (name) => {
  test('runs the image by its role, with one configuration file', async () => {
    const chart = await render(name)
    const roles = { coordinator: 'coordinator', 'producer-example': 'producer', gateway: 'consumer' }
    for (const [object, role] of Object.entries(roles)) {
      expect(chart.container(object)).toMatchObject({
        image: 'koi-mcp:0.1.0',
        imagePullPolicy: 'IfNotPresent',
        args: ['--role', role],
      })
      expect(chart.container(object)).not.toHaveProperty('command')
      expect(chart.container(object).volumeMounts[0]).toEqual({
        name: 'config',
        mountPath: '/etc/koi-mcp',
        readOnly: true,
      })
      expect(chart.pod(object).volumes[0]).toEqual({ name: 'config', configMap: { name: `koi-koi-mcp-${object}` } })
      const { base_url: url } = chart.settings(object).node
      expect(url).toBe(`http://koi-koi-mcp-${object}.knowledge.svc:9000/koi-net`)
    }
  })

  test.for<[object, string]>([
    [{ repository: 'ghcr.io/a/koi', tag: '1.2.3' }, 'ghcr.io/a/koi:1.2.3'],
    [{ tag: '9', digest: `sha256:${'ab'.repeat(32)}` }, `koi-mcp@sha256:${'ab'.repeat(32)}`],
  ])('of the image %j', async ([image, expected]) => {
    const chart = await render(name, { image: { ...image, pullPolicy: 'Always', pullSecrets: ['a', 'b'] } })
    for (const container of [chart.container('gateway'), chart.pod('gateway').initContainers[0]]) {
      expect(container).toMatchObject({ image: expected, imagePullPolicy: 'Always' })
    }
    expect(chart.pod('gateway').imagePullSecrets).toEqual([{ name: 'a' }, { name: 'b' }])
  })

  test('has what nodeDefaults say unless its own block says otherwise, false and none too', async () => {
    const chart = await render(name, {
      nodeDefaults: {
        replicas: 3,
        podDisruptionBudget: { maxUnavailable: 2 },
        resources: { requests: { cpu: '1' } },
        topologySpread: { enabled: true },
      },
      gateway: {
        replicas: 2,
        podDisruptionBudget: { enabled: false },
        resources: { requests: { cpu: '2' } },
        topologySpread: { enabled: false },
      },
    })
    expect(chart.get('Deployment', 'coordinator')['spec'].replicas).toBe(3)
    expect(chart.get('Deployment', 'gateway')['spec'].replicas).toBe(2)
    expect(chart.get('PodDisruptionBudget', 'coordinator')['spec'].maxUnavailable).toBe(2)
    expect(chart.find('PodDisruptionBudget', 'gateway')).toBeUndefined()
    expect(chart.container('coordinator').resources).toEqual({
      requests: { cpu: '1', memory: '256Mi' },
      limits: { memory: '512Mi' },
    })
    expect(chart.container('gateway').resources.requests.cpu).toBe('2')
    expect(chart.pod('gateway').topologySpreadConstraints).toBeUndefined()
  })

  test('takes more settings, over those of the chart, and restarts when they change', async () => {
    const config = { network: { max_retries: 7 }, logging: { level: 'debug' }, persistence: { ttl: 86400 } }
    const [plain, more] = await Promise.all([render(name), render(name, { gateway: { config } })])
    expect(more.settings('gateway')).toMatchObject({
      network: { max_retries: 7, first_contact_rid: more.rid('coordinator') },
      logging: { level: 'debug', format: 'json' },
      persistence: { ttl: 86400, storage_type: 'postgres' },
    })
    expect(more.settings('coordinator').logging).toEqual({ format: 'json' })
    const checksum = (chart: typeof plain) =>
      chart.get('Deployment', 'gateway')['spec'].template.metadata.annotations['checksum/config']
    expect(checksum(more)).not.toBe(checksum(plain))
  })

  test('goes where and with what the values say', async () => {
    const tolerations = [{ key: 'a', operator: 'Exists' }]
    const affinity = { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } }
    const chart = await render(name, {
      nodeDefaults: {
        nodeSelector: { disk: 'ssd' },
        tolerations,
        affinity,
        priorityClassName: 'high',
        podLabels: { x: 'y' },
        podAnnotations: { p: 'q' },
        extraEnv: [{ name: 'TZ', value: 'UTC' }],
        extraVolumes: [{ name: 'v', emptyDir: {} }],
        extraVolumeMounts: [{ name: 'v', mountPath: '/v' }],
        service: { annotations: { s: 't' } },
        baseUrl: 'https://koi.example.org/koi-net/',
      },
      coordinator: { baseUrl: 'https://hub.example.org/koi-net' },
    })
    for (const object of OBJECTS) {
      expect(chart.pod(object)).toMatchObject({
        nodeSelector: { disk: 'ssd' },
        tolerations,
        affinity,
        priorityClassName: 'high',
      })
      const { labels, annotations } = chart.get('Deployment', object)['spec'].template.metadata
      expect([labels.x, annotations.p]).toEqual(['y', 'q'])
      expect(chart.env(object)['TZ']).toBe('UTC')
      expect(chart.container(object).volumeMounts).toContainEqual({ name: 'v', mountPath: '/v' })
      expect(chart.get('Service', object).metadata.annotations).toEqual({ s: 't' })
    }
    expect(chart.settings('gateway').node.base_url).toBe('https://koi.example.org/koi-net')
    expect(chart.settings('gateway').network.first_contact).toBe('https://hub.example.org/koi-net')
  })

  test('producers: a block each, with data of their own', async () => {
    const chart = await render(name, {
      producers: {
        example: { enabled: false },
        sales: { replicas: 2, data: { existingClaim: 'sales-files', subPath: 'current', source: 'sales' } },
        'lab-2': { data: { configMap: 'measurements' } },
        hooks: {},
      },
    })
    expect(chart.names('Deployment').filter((one) => one.includes('producer'))).toEqual([
      'koi-koi-mcp-producer-hooks',
      'koi-koi-mcp-producer-lab-2',
      'koi-koi-mcp-producer-sales',
    ])
    const data = (object: string) => chart.pod(object).volumes.find((one: { name: string }) => one.name === 'data')
    const mount = (object: string) =>
      chart.container(object).volumeMounts.find((one: { name: string }) => one.name === 'data')
    expect(data('producer-sales')).toEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'sales-files', readOnly: true },
    })
    expect(mount('producer-sales')).toEqual({ name: 'data', mountPath: '/data', readOnly: true, subPath: 'current' })
    expect(chart.settings('producer-sales').domains).toEqual({
      data_catalog: { config: { folder: '/data', source: 'sales' } },
    })
    expect(data('producer-lab-2').configMap).toEqual({ name: 'measurements' })
    expect(chart.settings('producer-lab-2').domains.data_catalog.config.source).toBe('lab-2')
    expect(data('producer-hooks')).toBeUndefined()
    expect(chart.settings('producer-hooks')).not.toHaveProperty('domains')
    expect(chart.find('ConfigMap', 'examples')).toBeUndefined()
    expect(Object.keys(chart.settings('gateway').security.peer_types)).toHaveLength(4)
  })

  test('the example’s data are the files of the chart', async () => {
    const chart = await render(name)
    expect(Object.keys(chart.get('ConfigMap', 'examples')['data'])).toEqual(['planets.csv'])
    expect(chart.get('ConfigMap', 'examples')['data']['planets.csv']).toMatch(/^name,.*\nMercury,/)
  })

  test('names: of the release, of the values, and never too long', async () => {
    const [same, other, long] = await Promise.all([
      render(name, {}, { release: 'my-koi-mcp' }),
      render(name, { fullnameOverride: 'hub', commonLabels: { team: 'a' }, commonAnnotations: { b: 'c' } }),
      render(
        name,
        { producers: { 'a-name-of-twenty-let': {} } },
        { release: 'a-release-with-a-name-of-as-many-letters-as-there-can' },
      ),
    ])
    expect(same.names('Deployment')[0]).toBe('my-koi-mcp-coordinator')
    expect(other.names('Deployment')[0]).toBe('hub-coordinator')
    for (const object of other.objects)
      expect(object.metadata).toMatchObject({ labels: { team: 'a' }, annotations: { b: 'c' } })
    expect(long.names('Deployment').find((one) => one.includes('twenty'))!.length).toBeLessThanOrEqual(63)
  })

  test('nothing of a pod changes with the version of the chart or of the image alone', async () => {
    const [a, b] = await Promise.all([render(name), render(name, { image: { tag: '9.9.9' } })])
    expect(b.get('StatefulSet', 'postgres')['spec']).toEqual(a.get('StatefulSet', 'postgres')['spec'])
    expect(b.get('Deployment', 'gateway').metadata.labels['app.kubernetes.io/version']).toBe('9.9.9')
  })

  test('service account: one without rights, or one that is there', async () => {
    const [own, given] = await Promise.all([
      render(name, { serviceAccount: { annotations: { a: 'b' } } }),
      render(name, { serviceAccount: { create: false, name: 'mine' } }),
    ])
    const [account] = own.objects.filter(({ kind }) => kind === 'ServiceAccount')
    expect(account).toMatchObject({
      metadata: { name: 'koi-koi-mcp', annotations: { a: 'b' } },
      automountServiceAccountToken: false,
    })
    expect(own.pod('gateway').serviceAccountName).toBe('koi-koi-mcp')
    expect(given.names('ServiceAccount')).toEqual([])
    expect(given.pod('gateway').serviceAccountName).toBe('mine')
  })
})
