import { readFileSync } from 'node:fs'
import { kubectl } from './commands.ts'
import { RELEASE, sleepingPod } from './release.ts'
import type { Release } from './release.ts'

const program = (name: string) => readFileSync(new URL(`programs/${name}.js`, import.meta.url), 'utf8')

/** What a run of `programs/load.js` was told, and what must be held then: the location of each dataset. */
export interface Loaded {
  readonly acknowledged: number
  readonly refused: Readonly<Record<string, number>>
  readonly held: Readonly<Record<string, string>>
}

/** A pod that may call the nodes of a release; programs run in it, so that they go the way that any client goes. */
export class Client {
  readonly #release: Release
  readonly #name: string

  private constructor(release: Release, name: string) {
    this.#release = release
    this.#name = name
  }

  /** With `labels`, of another kind than those that may. */
  static async start(
    release: Release,
    name = 'client',
    labels: Readonly<Record<string, string>> = { [`${RELEASE}-client`]: 'true' },
  ): Promise<Client> {
    await release.apply(sleepingPod(name, labels))
    await release.kubectl('wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s')
    return new Client(release, name)
  }

  /** In a pod of the release. */
  static in(release: Release, pod: string): Client {
    return new Client(release, pod)
  }

  /** Runs one of `programs/` there, and reads the JSON that it prints. */
  async run<T>(name: string, ...args: readonly string[]): Promise<T> {
    const where = ['--namespace', this.#release.namespace, 'exec', '--stdin', this.#name, '--']
    const node = ['/usr/local/bin/node', '--input-type=module', '-', ...args]
    return JSON.parse(await kubectl([...where, ...node], { input: program(name) })) as T
  }

  /** What a GET of the node's API answers; `node`: coordinator, gateway, producer-<name>. */
  api<T>(node: string, path: string): Promise<T> {
    return this.run<T>('get', `http://${RELEASE}-${node}:9000${path}`)
  }

  /** What the node's API answers to a POST. */
  post<T>(node: string, path: string, body: object): Promise<T> {
    return this.run<T>('post', `http://${RELEASE}-${node}:9000${path}`, JSON.stringify(body))
  }

  /** Every RID of the type at the node. */
  rids(node: string, type = 'orn:data-catalog.dataset'): Promise<string[]> {
    return this.run<string[]>('rids', `http://${RELEASE}-${node}:9000`, type)
  }

  /** Publishes, updates and forgets for so long. */
  load(node: string, seconds: number): Promise<Loaded> {
    return this.run<Loaded>('load', `http://${RELEASE}-${node}:9000`, String(seconds))
  }

  /** Where published datasets are, by RID, at a node. */
  locations(node: string): Promise<Record<string, string>> {
    return this.run('locations', `http://${RELEASE}-${node}:9000`)
  }
}
