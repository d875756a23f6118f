import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'
import { inject } from 'vitest'
import { faultsOf } from './object-rules.ts'

export const CHART = fileURLToPath(new URL('../koi-mcp', import.meta.url))

/** The Helms that run here, by name: what every test is run with. */
export const HELMS = Object.keys(inject('helms'))

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  // What kind it is says what it has; a test knows which it looks at.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [field: string]: any
}

/** Kinds that a cluster has only where somebody installed them. */
export const EXTRA_APIS = ['monitoring.coreos.com/v1', 'keda.sh/v1alpha1', 'gateway.networking.k8s.io/v1']

export interface RenderOptions {
  readonly release?: string
  readonly namespace?: string
  readonly apis?: readonly string[]
  /** Another chart than ours: a changed copy. */
  readonly chart?: string
  /** URL of the API server that `lookup` asks. */
  readonly cluster?: string
}

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a Helm away from the configuration and the plugins of whoever runs the tests. */
export function helm(name: string, args: readonly string[], values?: object): Promise<Ended> {
  const home = mkdtempSync(join(tmpdir(), 'koi-helm-'))
  const env = {
    PATH: process.env['PATH'],
    HOME: home,
    HELM_CACHE_HOME: home,
    HELM_CONFIG_HOME: home,
    HELM_DATA_HOME: home,
  }
  return new Promise((resolve) => {
    const all = values === undefined ? args : [...args, '--values', '-']
    const child = execFile(
      inject('helms')[name]!,
      all,
      { env, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        rmSync(home, { recursive: true, force: true })
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr })
      },
    )
    child.stdin?.end(values === undefined ? '' : JSON.stringify(values))
  })
}

function template(name: string, values: object, options: RenderOptions): Promise<Ended> {
  const { release = 'koi', namespace = 'knowledge', apis = [], chart = CHART, cluster } = options
  const args = ['template', release, chart, '--namespace', namespace]
  if (cluster !== undefined) args.push('--dry-run=server', '--disable-openapi-validation', '--kube-apiserver', cluster)
  else args.push('--kube-version', '1.36.0', ...apis.flatMap((api) => ['--api-versions', api]))
  return helm(name, args, values)
}

const rendered = new Map<string, Promise<Rendered>>()

/**
 * What the chart makes of values, once for all tests that ask for the same. Fails where Helm does, or where an object breaks a rule that holds for
 * all of them.
 */
export function render(name: string, values: object = {}, options: RenderOptions = {}): Promise<Rendered> {
  const key = JSON.stringify([name, values, options])
  const known = rendered.get(key) ?? renderAnew(name, values, options)
  rendered.set(key, known)
  return known
}

/** The same, with keys and passwords of its own. */
export async function renderAnew(name: string, values: object = {}, options: RenderOptions = {}): Promise<Rendered> {
  const { code, stdout, stderr } = await template(name, values, options)
  if (code !== 0) throw new Error(stderr)
  const documents = parseAllDocuments(stdout, { version: '1.1', merge: true, uniqueKeys: true })
  const objects = (documents as { errors: Error[]; toJS(): unknown }[]).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]!
    const object = document.toJS() as KubernetesObject | null
    return object === null ? [] : [object]
  })
  const faults = faultsOf(objects)
  if (faults.length > 0) throw new Error(faults.join('\n'))
  return new Rendered(objects)
}

/** What Helm says of values that do not work. Fails where it takes them. */
export async function refusal(name: string, values: object, options: RenderOptions = {}): Promise<string> {
  const { code, stderr } = await template(name, values, options)
  if (code === 0) throw new Error('these values were taken')
  return stderr
}

/** The objects of a release, found by kind and name (without the release's part of it). */
export class Rendered {
  readonly objects: readonly KubernetesObject[]
  readonly #prefix: string
  constructor(objects: readonly KubernetesObject[]) {
    this.objects = objects
    this.#prefix = `${objects.find(({ kind }) => kind === 'Deployment')?.metadata.name.replace(/-(coordinator|producer-.*|gateway)$/, '') ?? ''}-`
  }

  find(kind: string, name: string): KubernetesObject | undefined {
    return this.objects.find((one) => one.kind === kind && one.metadata.name === `${this.#prefix}${name}`)
  }

  get(kind: string, name: string): KubernetesObject {
    const object = this.find(kind, name)
    if (object === undefined) throw new Error(`there is no ${kind} ${name}, only ${this.names(kind).join(', ')}`)
    return object
  }

  names(kind: string): readonly string[] {
    return this.objects.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name)
  }

  pod(name: string, kind = 'Deployment') {
    return this.get(kind, name)['spec'].template.spec
  }

  container(name: string, kind = 'Deployment') {
    return this.pod(name, kind).containers[0]
  }

  /** Variables of a node by name: their value, or `secret/key`. */
  env(name: string, kind = 'Deployment'): Readonly<Record<string, string>> {
    const variables: { name: string; value?: string; valueFrom?: { secretKeyRef: { name: string; key: string } } }[] =
      this.container(name, kind).env
    return Object.fromEntries(
      variables.map((one) => {
        const reference = one.valueFrom?.secretKeyRef
        return [one.name, one.value ?? `${reference?.name}/${reference?.key}`]
      }),
    )
  }

  /** The configuration file of a node. */
  settings(name: string) {
    return JSON.parse(this.get('ConfigMap', name)['data']['config.json'])
  }

  /** A Secret's data, decoded. */
  secret(name: string): Readonly<Record<string, string>> {
    const data: Record<string, string> = this.get('Secret', name)['data']
    return Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    )
  }

  rid(name: string): string {
    return this.secret(`${name}-identity`)['rid']!
  }
}
