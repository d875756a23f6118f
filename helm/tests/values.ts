const AUTH = {
  provider: 'jwt',
  issuer: 'https://login.example.org/',
  audience: 'koi-mcp',
  jwksUrl: 'https://login.example.org/keys',
}

/** What lets users in, and requests through. */
export const EXPOSED = {
  security: { auth: AUTH },
  networkPolicy: {
    gatewayFrom: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }],
  },
}

/** Values with which an object of every kind is made, and every optional field of it. */
export const EVERYTHING = {
  ...EXPOSED,
  commonLabels: { team: 'knowledge' },
  commonAnnotations: { owner: 'knowledge@example.org' },
  image: { pullSecrets: ['registry'] },
  nodeDefaults: {
    podAnnotations: { a: 'b' },
    podLabels: { c: 'd' },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Exists' }] }],
        },
      },
    },
    priorityClassName: 'high',
    extraEnv: [{ name: 'TZ', value: 'UTC' }],
    extraVolumes: [{ name: 'more', emptyDir: {} }],
    extraVolumeMounts: [{ name: 'more', mountPath: '/more' }],
    service: { annotations: { e: 'f' } },
  },
  coordinator: {
    replicas: 3,
    autoscaling: { enabled: true, minReplicas: 2, behavior: { scaleDown: { stabilizationWindowSeconds: 60 } } },
  },
  producers: {
    example: {
      keda: { enabled: true, minReplicas: 2, serverAddress: 'http://prometheus:9090', authenticationRef: 'prometheus' },
    },
    small: { storage: 'file', persistence: { storageClass: 'fast' }, data: { existingClaim: 'files', subPath: 'a' } },
  },
  gateway: {
    storage: 'redis',
    replicas: 2,
    ingress: {
      enabled: true,
      className: 'nginx',
      host: 'mcp.example.org',
      tlsSecret: 'mcp-tls',
      annotations: { g: 'h' },
    },
    httpRoute: { enabled: true, hostnames: ['mcp.example.org'], parentRefs: [{ name: 'gateway', namespace: 'infra' }] },
  },
  valkey: { persistence: { enabled: true, storageClass: 'fast' }, nodeSelector: { disk: 'ssd' } },
  postgres: { persistence: { storageClass: 'fast' }, tolerations: [{ operator: 'Exists' }] },
  tracing: { endpoint: 'http://collector:4318', env: { OTEL_TRACES_SAMPLER_ARG: '0.1' } },
}
