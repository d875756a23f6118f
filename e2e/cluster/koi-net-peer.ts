import { readFileSync } from 'node:fs'
import { generateKeyPair, nodeRid, privateKeyToPem, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { kubectl } from './commands.ts'
import type { Release } from './release.ts'
import { CONTAINER_SECURITY, POD_SECURITY, REQUESTS } from './restricted.ts'

const PORT = 8000
const FOLDER = '/var/lib/koi-net'
const MOUNTED = '/etc/koi-net'
const KEY_FILE = 'private.pem'
const PASSWORD = 'cluster'

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

/** By these a network policy knows the pods. */
export const PEER_LABELS = { 'koi-net-peer': 'true' }

/** The Python reference as a node of its own: in a pod, behind a Service, with a key that is known before it runs. */
export class KoiNetPeer {
  readonly rid: Rid
  readonly #release: Release
  readonly #image: string
  readonly #name: string
  readonly #keys = generateKeyPair()

  constructor(release: Release, image: string, name: string) {
    this.#release = release
    this.#image = image
    this.#name = name
    this.rid = nodeRid(name, publicKeyToDerBase64(this.#keys.publicKey))
  }

  /** Resolves once it runs; it may not have introduced itself yet. */
  async start(contact: { readonly rid: string; readonly url: string }): Promise<void> {
    await this.#release.apply(...this.#objects(JSON.stringify(this.#config(contact))))
    await this.#release.kubectl('wait', `pod/${this.#name}`, '--for=condition=Ready', '--timeout=60s')
  }

  /** Contents by RID of all that it knows. */
  async cached(): Promise<Readonly<Record<string, object>>> {
    const python = ['exec', '--stdin', this.#name, '--', '/usr/local/bin/python3', '-', FOLDER]
    const input = text('programs/koi-net-cache.py')
    return JSON.parse(await kubectl(['--namespace', this.#release.namespace, ...python], { input })) as never
  }

  log(): Promise<string> {
    return this.#release.kubectl('logs', this.#name, '--tail=-1')
  }

  /** `Failed`: it ended, since it could not introduce itself. */
  async phase(): Promise<string> {
    const { status } = await this.#release.get<{ status: { phase: string } }>('pod', this.#name)
    return status.phase
  }

  #config(contact: { readonly rid: string; readonly url: string }): object {
    return {
      server: { host: '0.0.0.0', port: PORT },
      koi_net: {
        node_name: this.#name,
        node_rid: this.rid,
        node_profile: {
          node_type: 'FULL',
          base_url: `http://${this.#name}.${this.#release.namespace}.svc:${PORT}/koi-net`,
          public_key: publicKeyToDerBase64(this.#keys.publicKey),
        },
        rid_types_of_interest: ['orn:koi-net.node', 'orn:data-catalog.dataset'],
        private_key_pem_path: `${MOUNTED}/${KEY_FILE}`,
        first_contact: contact,
      },
    }
  }

  #objects(config: string): object[] {
    const metadata = { name: this.#name, labels: { ...PEER_LABELS, 'koi-net-name': this.#name } }
    const data = {
      'koi-net-node.py': text('programs/koi-net-node.py'),
      'steady.py': text('../../interop/live/steady.py'),
      'config.json': config,
    }
    const pem = privateKeyToPem(this.#keys.privateKey, PASSWORD)
    return [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
      { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { [KEY_FILE]: pem, password: PASSWORD } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector: { 'koi-net-name': this.#name }, ports: [{ port: PORT }] },
      },
      { apiVersion: 'v1', kind: 'Pod', metadata, spec: this.#pod() },
    ]
  }

  #pod(): object {
    const password = { name: 'PRIV_KEY_PASSWORD', valueFrom: { secretKeyRef: { name: this.#name, key: 'password' } } }
    return {
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      securityContext: POD_SECURITY,
      containers: [
        {
          name: 'koi-net',
          image: this.#image,
          args: [`${MOUNTED}/koi-net-node.py`, FOLDER, `${MOUNTED}/config.json`],
          workingDir: FOLDER,
          env: [password],
          ports: [{ containerPort: PORT }],
          securityContext: CONTAINER_SECURITY,
          resources: REQUESTS,
          volumeMounts: [
            { name: 'mounted', mountPath: MOUNTED, readOnly: true },
            { name: 'folder', mountPath: FOLDER },
          ],
        },
      ],
      volumes: [
        {
          name: 'mounted',
          projected: {
            defaultMode: 0o440,
            sources: [
              { configMap: { name: this.#name } },
              { secret: { name: this.#name, items: [{ key: KEY_FILE, path: KEY_FILE }] } },
            ],
          },
        },
        { name: 'folder', emptyDir: {} },
      ],
    }
  }
}
