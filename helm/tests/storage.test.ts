import { describe, expect, test } from 'vitest'
import { HELMS, render } from './chart.ts'

const OWN_SERVERS = {
  postgres: { enabled: false },
  externalPostgres: { existingSecret: 'pg', key: 'uri' },
  valkey: { enabled: false },
  externalRedis: { existingSecret: 'redis', key: 'uri' },
}

describe.for(HELMS)('%s: where a node keeps what it knows', (name) => {
  test('by default in the Postgres of the release, each in a schema of its own, woken through Valkey', async () => {
    const chart = await render(name)
    for (const object of ['coordinator', 'producer-example', 'gateway']) {
      const { persistence, queue } = chart.settings(object)
      expect(persistence).toEqual({
        storage_type: 'postgres',
        namespace: `koi_koi_koi_mcp_${object.replace('-', '_')}`,
      })
      expect(queue).toEqual({ queue_type: 'bullmq' })
      expect(chart.env(object)).toEqual({
        KOI_MCP_PERSISTENCE__POSTGRES_URL: 'koi-koi-mcp-postgres/postgres-url',
        KOI_MCP_QUEUE__REDIS_URL: 'koi-koi-mcp-valkey/redis-url',
        KOI_MCP_SECURITY__PUBLISH_TOKEN: 'koi-koi-mcp-publish-token/publish-token',
      })
    }
    const { password, 'postgres-url': url } = chart.secret('postgres')
    expect(url).toBe(`postgres://koi:${password}@koi-koi-mcp-postgres.knowledge.svc:5432/koi`)
    expect(chart.secret('valkey')['redis-url']).toBe(
      `redis://:${chart.secret('valkey')['password']}@koi-koi-mcp-valkey.knowledge.svc:6379`,
    )
  })

  test('a node waits for the servers of the release, and for no others', async () => {
    const [ours, theirs] = await Promise.all([render(name), render(name, OWN_SERVERS)])
    expect(ours.pod('gateway').initContainers[0].args.slice(1)).toEqual([
      'koi-koi-mcp-postgres.knowledge.svc:5432',
      'koi-koi-mcp-valkey.knowledge.svc:6379',
    ])
    expect(theirs.pod('gateway').initContainers).toBeUndefined()
  })

  test('servers of one’s own come from Secrets, and none are made', async () => {
    const chart = await render(name, OWN_SERVERS)
    expect(chart.names('StatefulSet')).toEqual([])
    expect(chart.names('Secret').filter((one) => /postgres|valkey/.test(one))).toEqual([])
    expect(chart.env('coordinator')).toMatchObject({
      KOI_MCP_PERSISTENCE__POSTGRES_URL: 'pg/uri',
      KOI_MCP_QUEUE__REDIS_URL: 'redis/uri',
    })
  })

  test('in a file: one process with a volume that stays, and no server', async () => {
    const chart = await render(name, {
      nodeDefaults: { storage: 'file', persistence: { size: '3Gi', storageClass: 'fast' } },
    })
    expect(chart.names('StatefulSet')).toEqual([])
    for (const object of ['coordinator', 'producer-example', 'gateway']) {
      expect(chart.get('Deployment', object)['spec']).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } })
      expect(chart.get('PersistentVolumeClaim', object)).toMatchObject({
        metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } },
        spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '3Gi' } } },
      })
      expect(chart.pod(object).volumes).toContainEqual({
        name: 'state',
        persistentVolumeClaim: { claimName: `koi-koi-mcp-${object}` },
      })
      expect(chart.settings(object)).toMatchObject({
        persistence: { storage_type: 'file' },
        queue: { queue_type: 'store' },
      })
      expect(Object.keys(chart.env(object))).toEqual(['KOI_MCP_SECURITY__PUBLISH_TOKEN'])
    }
  })

  test('in a file on a volume that is there', async () => {
    const chart = await render(name, { gateway: { storage: 'file', persistence: { existingClaim: 'mine' } } })
    expect(chart.names('PersistentVolumeClaim')).toEqual([])
    expect(chart.pod('gateway').volumes).toContainEqual({ name: 'state', persistentVolumeClaim: { claimName: 'mine' } })
    expect(chart.pod('coordinator').volumes).toContainEqual({ name: 'state', emptyDir: {} })
  })

  test('in Redis: its URL once, as that of the store, and a Valkey that syncs every write', async () => {
    const chart = await render(name, {
      gateway: { storage: 'redis' },
      valkey: { persistence: { enabled: true, size: '2Gi' } },
    })
    expect(chart.settings('gateway').persistence.storage_type).toBe('redis')
    expect(Object.keys(chart.env('gateway'))).toEqual([
      'KOI_MCP_PERSISTENCE__REDIS_URL',
      'KOI_MCP_SECURITY__PUBLISH_TOKEN',
    ])
    expect(chart.container('valkey', 'StatefulSet').args.join(' ')).toContain('--appendonly yes --appendfsync always')
    expect(chart.get('StatefulSet', 'valkey')['spec'].volumeClaimTemplates[0].spec.resources.requests.storage).toBe(
      '2Gi',
    )
  })

  test('without BullMQ the store wakes, and no Valkey runs', async () => {
    const chart = await render(name, { queue: 'store' })
    expect(chart.names('StatefulSet')).toEqual(['koi-koi-mcp-postgres'])
    expect(chart.settings('gateway').queue).toEqual({ queue_type: 'store' })
    expect(chart.env('gateway')).not.toHaveProperty('KOI_MCP_QUEUE__REDIS_URL')
  })

  test('Valkey for the queue keeps nothing and evicts nothing', async () => {
    const chart = await render(name)
    const { args, command } = chart.container('valkey', 'StatefulSet')
    expect([...command, ...args].join(' ')).toBe(
      'valkey-server --requirepass $(REDISCLI_AUTH) --dir /data --maxmemory-policy noeviction --save  --appendonly no',
    )
    expect(chart.pod('valkey', 'StatefulSet').volumes).toEqual([{ name: 'data', emptyDir: {} }])
  })

  test('Valkey’s programs may have other names', async () => {
    const chart = await render(name, {
      valkey: { server: 'redis-server', cli: 'redis-cli', image: { repository: 'redis', tag: '8' } },
    })
    const container = chart.container('valkey', 'StatefulSet')
    expect(container).toMatchObject({ image: 'redis:8', command: ['redis-server'] })
    expect(container.livenessProbe.exec.command).toEqual(['redis-cli', '-e', 'ping'])
  })

  test('Postgres as the values say', async () => {
    const chart = await render(name, {
      postgres: { maxConnections: 50, runAsUser: 70, persistence: { size: '1Ti', storageClass: 'x' } },
    })
    expect(chart.container('postgres', 'StatefulSet').args).toEqual(['-c', 'max_connections=50'])
    expect(chart.pod('postgres', 'StatefulSet').securityContext).toMatchObject({ runAsUser: 70, fsGroup: 70 })
    expect(chart.get('StatefulSet', 'postgres')['spec'].volumeClaimTemplates[0].spec).toMatchObject({
      storageClassName: 'x',
      resources: { requests: { storage: '1Ti' } },
    })
    const lost = await render(name, { postgres: { persistence: { enabled: false } } })
    expect(lost.get('StatefulSet', 'postgres')['spec'].volumeClaimTemplates).toBeUndefined()
  })
})
