import { readFileSync } from 'node:fs'
import { PRODUCT_IMAGE } from './release.ts'
import type { Release } from './release.ts'
import { CONTAINER_SECURITY, POD_SECURITY, REQUESTS } from './restricted.ts'

const NAME = 'prometheus'
const PORT = 9090
const DISCOVERY = 'pod-targets.js'
const PODS_FILE = '/targets/pods.json'

const POD = '__meta_kubernetes_pod'
/** What pods ask for by annotations, as is customary. The job is the application's name, by which the alerts know it. */
const RELABELED = [
  { source_labels: [`${POD}_annotation_prometheus_io_scrape`], action: 'keep', regex: 'true' },
  { source_labels: [`${POD}_phase`], action: 'drop', regex: 'Pending|Succeeded|Failed' },
  { source_labels: [`${POD}_annotation_prometheus_io_path`], regex: '(.+)', target_label: '__metrics_path__' },
  {
    source_labels: ['__address__', `${POD}_annotation_prometheus_io_port`],
    regex: '([^:]+)(?::\\d+)?;(\\d+)',
    replacement: '$1:$2',
    target_label: '__address__',
  },
  { source_labels: ['__meta_kubernetes_namespace'], target_label: 'namespace' },
  { source_labels: [`${POD}_name`], target_label: 'pod' },
  { source_labels: [`${POD}_label_app_kubernetes_io_name`], target_label: 'job' },
]

const CONFIG = {
  global: { scrape_interval: '2s', scrape_timeout: '2s' },
  scrape_configs: [
    {
      job_name: 'kubernetes-pods',
      file_sd_configs: [{ files: [PODS_FILE] }],
      relabel_configs: RELABELED,
    },
  ],
}

/** A Prometheus beside the release, in a pod that its network policies let at the metrics. Resolves with its URL, once it answers. */
export async function startPrometheus(release: Release, image: string): Promise<string> {
  await release.apply(...objects(image))
  await release.kubectl('rollout', 'status', `deployment/${NAME}`, '--timeout=120s')
  return `http://${NAME}.${release.namespace}.svc:${PORT}`
}

function objects(image: string): object[] {
  const labels = { 'app.kubernetes.io/name': NAME }
  const metadata = { name: NAME, labels }
  const rbac = 'rbac.authorization.k8s.io'
  const data = {
    // JSON is YAML.
    'prometheus.yaml': JSON.stringify(CONFIG),
    [DISCOVERY]: readFileSync(new URL(`programs/${DISCOVERY}`, import.meta.url), 'utf8'),
  }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: NAME },
      subjects: [{ kind: 'ServiceAccount', name: NAME }],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labels, ports: [{ port: PORT }] } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: pod(image) } },
    },
  ]
}

function pod(image: string): object {
  const config = { name: 'config', mountPath: '/etc/prometheus', readOnly: true }
  const targets = { name: 'targets', mountPath: '/targets' }
  return {
    serviceAccountName: NAME,
    terminationGracePeriodSeconds: 0,
    securityContext: POD_SECURITY,
    containers: [
      {
        name: NAME,
        image,
        args: ['--config.file=/etc/prometheus/prometheus.yaml', '--storage.tsdb.path=/prometheus'],
        ports: [{ containerPort: PORT }],
        readinessProbe: { httpGet: { path: '/-/ready', port: PORT }, periodSeconds: 1 },
        securityContext: CONTAINER_SECURITY,
        resources: REQUESTS,
        volumeMounts: [config, targets, { name: 'storage', mountPath: '/prometheus' }],
      },
      {
        name: 'discovery',
        image: PRODUCT_IMAGE,
        command: ['/usr/local/bin/node', `/etc/prometheus/${DISCOVERY}`, PODS_FILE],
        env: [{ name: 'NODE_EXTRA_CA_CERTS', value: '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt' }],
        securityContext: CONTAINER_SECURITY,
        resources: REQUESTS,
        volumeMounts: [config, targets],
      },
    ],
    volumes: [
      { name: 'config', configMap: { name: NAME } },
      { name: 'storage', emptyDir: {} },
      { name: 'targets', emptyDir: {} },
    ],
  }
}
