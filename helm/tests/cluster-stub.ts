import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubernetesObject } from './chart.ts'

const plural = (kind: string) => `${kind.toLowerCase().replace(/y$/, 'ie')}s`

/** The kinds of some objects, as an API server lists them: by path. */
function kindsOf(objects: readonly KubernetesObject[]): readonly (readonly [path: string, answer: object])[] {
  const kinds = Map.groupBy(objects, ({ apiVersion }) => apiVersion)
  const groups = [...kinds.keys()].filter((version) => version.includes('/'))
  return [
    ['/version', { major: '1', minor: '36', gitVersion: 'v1.36.0' }],
    ['/api', { kind: 'APIVersions', versions: ['v1'] }],
    [
      '/apis',
      {
        kind: 'APIGroupList',
        apiVersion: 'v1',
        groups: groups.map((groupVersion) => {
          const [name, version] = groupVersion.split('/')
          return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } }
        }),
      },
    ],
    ...[...kinds].map(([groupVersion, ofIt]) => {
      const resources = [...new Set(ofIt.map(({ kind }) => kind))].map((kind) => ({
        kind,
        name: plural(kind),
        singularName: kind.toLowerCase(),
        namespaced: true,
        verbs: ['get', 'list'],
      }))
      const path = groupVersion.includes('/') ? `/apis/${groupVersion}` : `/api/${groupVersion}`
      return [path, { kind: 'APIResourceList', groupVersion, resources }] as const
    }),
  ]
}

/** Helm puts down whose an object is, and leaves alone what is somebody else's. */
function asInstalled(object: KubernetesObject): KubernetesObject {
  const { labels, namespace = '', annotations } = object.metadata
  const owner = {
    'meta.helm.sh/release-name': labels['app.kubernetes.io/instance'] ?? '',
    'meta.helm.sh/release-namespace': namespace,
  }
  return { ...object, metadata: { ...object.metadata, annotations: { ...annotations, ...owner } } }
}

/**
 * As much of an API server as Helm asks for what `lookup` finds: it has the kinds of all the objects, and holds the Secrets among them. What a real
 * one does is shown on a real cluster.
 *
 * @returns its URL
 */
export async function clusterStub(
  objects: readonly KubernetesObject[],
  onTestFinished: (end: () => void) => void,
): Promise<string> {
  const secrets = objects.filter(({ kind }) => kind === 'Secret').map(asInstalled)
  const answers = new Map<string, object>([
    ...kindsOf(objects),
    ...secrets.map(
      (secret) => [`/api/v1/namespaces/${secret.metadata.namespace}/secrets/${secret.metadata.name}`, secret] as const,
    ),
  ])
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://x')
    const answer = answers.get(pathname)
    const missing = {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'NotFound',
      code: 404,
      message: `no ${pathname}`,
    }
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json', connection: 'close' })
    response.end(JSON.stringify(answer ?? missing))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
