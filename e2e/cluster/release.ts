import { kubectl, helm } from './commands.ts'
import { CONTAINER_SECURITY, POD_SECURITY } from './restricted.ts'

const CHART = new URL('../../helm/koi-mcp', import.meta.url).pathname
const { CLUSTER_NEXT_IMAGE = '', CLUSTER_POSTGRES_IMAGE = '', CLUSTER_VALKEY_IMAGE = '' } = process.env

export const PRODUCT_IMAGE = process.env['CLUSTER_IMAGE'] ?? 'koi-mcp:0.1.0'
const RESTRICTED = { 'pod-security.kubernetes.io/enforce': 'restricted' }
/** The release is called as the chart is: its objects then begin with that name alone. */
export const RELEASE = 'koi-mcp'

type Values = Readonly<Record<string, unknown>>

/** The chart, installed in a namespace of its own that enforces the restricted profile, and a pod beside it that may call the nodes. */
export class Release {
  readonly namespace: string

  constructor(namespace: string) {
    this.namespace = namespace
  }

  async createNamespace(): Promise<void> {
    await this.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: this.namespace, labels: RESTRICTED },
    })
  }

  install(values: Values = {}): Promise<string> {
    return helm(['install', RELEASE, CHART, ...this.#options()], { input: JSON.stringify(withImages(values)) })
  }

  upgrade(values: Values = {}): Promise<string> {
    return helm(['upgrade', RELEASE, CHART, ...this.#options()], { input: JSON.stringify(withImages(values)) })
  }

  helm(...args: readonly string[]): Promise<string> {
    return helm([...args, '--namespace', this.namespace])
  }

  kubectl(...args: readonly string[]): Promise<string> {
    return kubectl(['--namespace', this.namespace, ...args])
  }

  async apply(...objects: readonly object[]): Promise<void> {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
    await kubectl(['--namespace', this.namespace, 'apply', '-f', '-'], { input: list })
  }

  async get<T>(...what: readonly string[]): Promise<T> {
    return JSON.parse(await this.kubectl('get', ...what, '--output', 'json')) as T
  }

  /** Names of the pods that run and are not about to end. */
  async pods(selector: string): Promise<string[]> {
    interface Pod {
      readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
      readonly status: { readonly phase: string }
    }
    const { items } = await this.get<{ items: Pod[] }>('pods', '--selector', selector)
    return items
      .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.phase === 'Running')
      .map(({ metadata }) => metadata.name)
  }

  async remove(): Promise<void> {
    await kubectl(['delete', 'namespace', this.namespace, '--wait=false', '--ignore-not-found'])
  }

  #options(): string[] {
    return ['--namespace', this.namespace, '--wait', '--timeout', '5m', '--values', '-']
  }
}

/** Values of an upgrade to another image; without one every pod is replaced by one of another label. */
export const NEXT: Values =
  CLUSTER_NEXT_IMAGE === ''
    ? { nodeDefaults: { podLabels: { round: 'next' } } }
    : { image: partsOf(CLUSTER_NEXT_IMAGE) }

function withImages(values: Values): Values {
  const server = (name: string, image: string) =>
    image === '' ? {} : { [name]: { image: partsOf(image), ...(values[name] as object | undefined) } }
  return {
    image: partsOf(PRODUCT_IMAGE),
    ...values,
    ...server('postgres', CLUSTER_POSTGRES_IMAGE),
    ...server('valkey', CLUSTER_VALKEY_IMAGE),
  }
}

function partsOf(image: string): { repository: string; tag: string } {
  const colon = image.lastIndexOf(':')
  return { repository: image.slice(0, colon), tag: image.slice(colon + 1) }
}

/** A pod of the product's image that does nothing until a program is run in it. */
export function sleepingPod(name: string, labels: Readonly<Record<string, string>>): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: {
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      securityContext: POD_SECURITY,
      containers: [
        {
          name: 'client',
          image: PRODUCT_IMAGE,
          command: ['/usr/local/bin/node', '-e', 'setInterval(() => undefined, 1e9)'],
          env: [
            { name: 'TOKEN', valueFrom: { secretKeyRef: { name: `${RELEASE}-publish-token`, key: 'publish-token' } } },
          ],
          securityContext: CONTAINER_SECURITY,
        },
      ],
    },
  }
}
