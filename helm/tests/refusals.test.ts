import { describe, expect, test } from 'vitest'
import { EXTRA_APIS, HELMS, refusal } from './chart.ts'
import type { RenderOptions } from './chart.ts'
import { EXPOSED } from './values.ts'

const RID = `orn:koi-net.node:x+${'0a'.repeat(32)}`
const INGRESS = { enabled: true, host: 'mcp.example.org' }
const KEDA = { enabled: true, serverAddress: 'http://prometheus:9090' }
const auth = (changes: object) => ({ security: { auth: { ...EXPOSED.security.auth, ...changes } } })

/** Values that cannot work, and what is said of them. */
const REFUSED: readonly [values: object, says: RegExp, options?: RenderOptions][] = [
  [
    { gateway: { storage: 'file', replicas: 2 } },
    /gateway has storage file, which one process owns: set storage to postgres or redis/,
  ],
  [
    { producers: { example: { storage: 'file', autoscaling: { enabled: true } } } },
    /producers\.example has storage file/,
  ],
  [{ gateway: { autoscaling: { enabled: true }, keda: KEDA } }, /gateway has both autoscaling and keda, .* enable one/],
  [
    { gateway: { autoscaling: { enabled: true, minReplicas: 9, maxReplicas: 2 } } },
    /gateway\.autoscaling\.minReplicas is above its maxReplicas/,
  ],
  [{ gateway: { keda: { ...KEDA, minReplicas: 9 } } }, /gateway\.keda\.minReplicas is above its maxReplicas/],
  [
    { gateway: { autoscaling: { enabled: true }, resources: { requests: { cpu: null } } } },
    /gateway\.autoscaling goes by a part of resources\.requests\.cpu: set that/,
  ],
  [{ gateway: { keda: { enabled: true } } }, /gateway\.keda\.serverAddress is needed: the URL of the Prometheus/],
  [
    { gateway: { keda: KEDA }, metrics: { enabled: false } },
    /gateway\.keda goes by a metric: set metrics\.enabled to true/,
  ],
  [{ gateway: { keda: KEDA } }, /this cluster has no KEDA: install it first/, { apis: [] }],
  [
    { postgres: { enabled: false } },
    /storage postgres and there is none: set postgres\.enabled to true, or name a Secret/,
  ],
  [
    { externalPostgres: { existingSecret: 'pg' } },
    /postgres\.enabled and externalPostgres\.existingSecret are both set/,
  ],
  [
    { valkey: { enabled: false } },
    /need a Redis and there is none: set valkey\.enabled to true, .* or set queue to store/,
  ],
  [{ externalRedis: { existingSecret: 'redis' } }, /valkey\.enabled and externalRedis\.existingSecret are both set/],
  [
    { gateway: { storage: 'redis' } },
    /mcp-gateway keeps everything in Valkey, which keeps nothing: set valkey\.persistence\.enabled/,
  ],
  [
    { gateway: { persistence: { existingClaim: 'x' } } },
    /gateway\.persistence\.existingClaim has no effect while storage is postgres/,
  ],
  [
    { coordinator: { enabled: false } },
    /coordinator\.enabled is false: name another network's coordinator in externalCoordinator\.url/,
  ],
  [
    { externalCoordinator: { url: 'http://a/koi-net', rid: RID } },
    /coordinator\.enabled and externalCoordinator are both set/,
  ],
  [
    { coordinator: { enabled: false }, externalCoordinator: { url: 'http://a/koi-net' } },
    /externalCoordinator\.rid is needed while security\.peers is listed/,
  ],
  [
    { security: { peers: 'open', peerTypes: { [RID]: ['*'] } } },
    /security\.peerTypes has no effect while security\.peers is open/,
  ],
  [
    { coordinator: { enabled: false }, gateway: { enabled: false }, producers: { example: { enabled: false } } },
    /nothing is left to run: enable coordinator, gateway or one of producers/,
  ],
  [
    { gateway: { enabled: false }, producers: { example: null } },
    /coordinator is the only node and has nobody to deal with/,
  ],
  [{ producers: { coordinator: {} } }, /two nodes are called coordinator: give the producer another key/],
  [
    { gateway: { identity: { existingSecret: 'k' } } },
    /gateway\.identity\.rid is needed with existingSecret: orn:koi-net\.node:mcp-gateway\+ .*openssl/,
  ],
  [{ gateway: { identity: { rid: RID } } }, /gateway\.identity\.rid follows from the key: name the key's Secret/],
  [{ gateway: { identity: { existingSecret: 'k', rid: RID } } }, /gateway\.identity\.rid is of another name/],
  [{ gateway: { preStopSeconds: 40 } }, /gateway\.terminationGracePeriodSeconds is too short: .* at least 55/],
  [{ gateway: { config: { node: { port: 1 } } } }, /gateway\.config\.node\.port is the chart's to say/],
  [{ gateway: { config: { security: { peers: 'open' } } } }, /gateway\.config\.security\.peers is the chart's to say/],
  [
    { gateway: { config: { persistence: { postgres_url: 'x' } } } },
    /gateway\.config\.persistence\.postgres_url is the chart's to say/,
  ],
  [
    { producers: { example: { extraEnv: [{ name: 'KOI_MCP_QUEUE__REDIS_URL', value: 'x' }] } } },
    /producers\.example would have the variable KOI_MCP_QUEUE__REDIS_URL twice/,
  ],
  [{ nodeDefaults: { extraEnv: [{ name: 'A' }, { name: 'A' }] } }, /coordinator would have the variable A twice/],
  [
    { tracing: { endpoint: 'http://c:1', env: { OTEL_SERVICE_NAME: 'x' } } },
    /would have the variable OTEL_SERVICE_NAME twice/,
  ],
  [
    { producers: { example: { data: { existingClaim: 'c' } } } },
    /producers\.example\.data has example and existingClaim: a producer catalogues one/,
  ],
  [
    { metrics: { serviceMonitor: { enabled: true } } },
    /podMonitor and metrics\.serviceMonitor are both enabled, .* scraped twice/,
  ],
  [
    { metrics: { enabled: false, podMonitor: { enabled: false }, serviceMonitor: { enabled: true } } },
    /metrics\.serviceMonitor needs metrics\.enabled/,
  ],
  [{ metrics: { port: 9000 } }, /metrics\.port is 9000, where the nodes answer/],
  [
    { gateway: { ingress: INGRESS } },
    /gateway\.ingress would let anyone in who finds it: set security\.auth\.provider to jwt first/,
  ],
  [
    { gateway: { httpRoute: { enabled: true, parentRefs: [{ name: 'g' }] } } },
    /gateway\.httpRoute would let anyone in who finds it/,
  ],
  [{ ...EXPOSED, gateway: { enabled: false, ingress: INGRESS } }, /gateway\.ingress needs gateway\.enabled/],
  [
    { ...auth({}), gateway: { ingress: INGRESS } },
    /the network policy lets nobody through: name the pods .* networkPolicy\.gatewayFrom/,
  ],
  [{ ...EXPOSED, gateway: { ingress: { enabled: true } } }, /gateway\.ingress\.host is needed/],
  [{ ...EXPOSED, gateway: { httpRoute: { enabled: true } } }, /gateway\.httpRoute\.parentRefs is needed/],
  [
    { ...EXPOSED, gateway: { httpRoute: { enabled: true, parentRefs: [{ name: 'g' }] } } },
    /this cluster has no Gateway API/,
    { apis: [] },
  ],
  [auth({ issuer: '' }), /security\.auth\.issuer is needed with provider jwt: tokens of others/],
  [auth({ audience: '' }), /security\.auth\.audience is needed with provider jwt/],
  [auth({ jwksUrl: '' }), /security\.auth needs one of jwksUrl and jwksConfigMap/],
  [auth({ jwksConfigMap: 'keys' }), /security\.auth needs one of jwksUrl and jwksConfigMap/],
  [auth({ provider: 'none' }), /security\.auth is filled in and its provider is none/],
]

/** Values that the schema refuses, all at once, and where it says so. */
const MALFORMED = {
  coordinater: {},
  coordinator: { replicaz: 2, replicas: '2' },
  gateway: { replicas: 0, storage: 'mongo' },
  producers: { Example: {}, example: { data: { folder: '/x' } } },
  image: { digest: 'sha256:abc' },
  externalCoordinator: { url: 'koi.example.org' },
  security: {
    peers: 'closed',
    peerTypes: { 'orn:koi-net.node:short+00': ['*'] },
    auth: { provider: 'basic', algorithms: ['HS256'] },
  },
  metrics: { port: 70_000 },
  queue: 'kafka',
  postgres: { persistence: { size: 'big' } },
  tracing: { env: { PATH: '/' } },
}
const FAULTS = [
  ['', 'coordinater'],
  ['coordinator', 'replicaz'],
  ['coordinator', 'replicas'],
  ['gateway', 'replicas'],
  ['gateway', 'storage'],
  ['producers', 'Example'],
  ['producers', 'folder'],
  ['image', 'digest'],
  ['externalCoordinator', 'url'],
  ['security', 'peers'],
  ['security', 'short'],
  ['security', 'provider'],
  ['security', 'algorithms'],
  ['metrics', 'port'],
  ['', 'queue'],
  ['postgres', 'size'],
  ['tracing', 'PATH'],
] as const

describe.for(HELMS)('%s', (name) => {
  test.for(REFUSED)('refuses %j', async ([values, says, options]) => {
    expect(await refusal(name, values, { apis: EXTRA_APIS, ...options })).toMatch(says)
  })

  test('says all that does not work at once', async () => {
    const text = await refusal(name, {
      gateway: { storage: 'file', replicas: 2, ingress: INGRESS },
      valkey: { enabled: false },
      postgres: { enabled: false },
    })
    expect(text.match(/^- .*$/gm)).toHaveLength(5)
  })

  test('has no such values, and says so of each', async () => {
    const text = await refusal(name, MALFORMED)
    expect(text).toMatch(/values don't meet the specifications of the schema/)
    const lines = text.split('\n')
    const unsaid = FAULTS.filter((words) => !lines.some((line) => words.every((word) => line.includes(word))))
    expect(unsaid, text).toEqual([])
  })
})
