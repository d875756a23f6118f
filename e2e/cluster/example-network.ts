import { expect, vi } from 'vitest'
import { Client } from './client.ts'
import { seconds } from './commands.ts'
import { Release } from './release.ts'

const FILES = 40
const DATA = 'cluster-data'
const PATIENCE = { timeout: 180_000, interval: 1_000 }

export const PRODUCER = 'app.kubernetes.io/component=producer'
export const ANY_NODE = 'app.kubernetes.io/component in (coordinator,producer,gateway)'
/** As their Services are called behind the release's name. */
const NODES = ['coordinator', 'producer-example', 'gateway']

type Values = Readonly<Record<string, unknown>>

/** The chart's three nodes; its producer catalogues forty files. */
export class ExampleNetwork {
  readonly release: Release
  #client: Client | undefined

  private constructor(release: Release) {
    this.release = release
  }

  /** A namespace with the files, and nothing installed. */
  static async prepare(): Promise<ExampleNetwork> {
    const release = new Release(`koi-${Math.random().toString(36).slice(2, 8)}`)
    await release.createNamespace()
    const data = Object.fromEntries(
      Array.from({ length: FILES }, (_, index) => [`file-${index}.csv`, `number,text\n${index},word ${index}\n`]),
    )
    await release.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: DATA }, data })
    return new ExampleNetwork(release)
  }

  /** @param producer values of the producer, @param more those of all else */
  values(producer: Values = {}, more: Values = {}): Values {
    return { ...more, producers: { example: { data: { example: false, configMap: DATA }, ...producer } } }
  }

  /** Installs it, and meets it. */
  async install(values: Values = this.values()): Promise<void> {
    await this.release.install(values)
    await this.meets()
  }

  /** Waits until every node holds all files, which is seen from a pod beside them. */
  async meets(): Promise<void> {
    this.#client ??= await Client.start(this.release)
    await this.holdsAllFiles()
  }

  /** A pod beside the nodes that may call them. */
  get client(): Client {
    if (this.#client === undefined) throw new Error('nothing is installed yet')
    return this.#client
  }

  get files(): readonly string[] {
    return Array.from({ length: FILES }, (_, index) => `orn:data-catalog.dataset:example/file-${index}.csv`).sort()
  }

  /** The files that a node knows of. */
  async catalogued(node: string): Promise<readonly string[]> {
    return (await this.client.rids(node)).filter((rid) => rid.includes(':example/'))
  }

  async holdsAllFiles(): Promise<void> {
    for (const node of NODES)
      await vi.waitFor(async () => expect(await this.catalogued(node)).toEqual(this.files), PATIENCE)
  }

  /** The RID of each node. */
  async rids(): Promise<readonly string[]> {
    const statuses = NODES.map((node) => this.client.api<{ readonly node_rid: string }>(node, '/api/status'))
    return (await Promise.all(statuses)).map((status) => status.node_rid)
  }

  /** Waits until every node holds what a load was told is held; how many seconds that took. */
  async agreesOn(held: Readonly<Record<string, string>>): Promise<number> {
    return await seconds(async () => {
      for (const node of NODES)
        await vi.waitFor(async () => expect(await this.client.locations(node)).toEqual(held), PATIENCE)
    })
  }

  remove(): Promise<void> {
    return this.release.remove()
  }
}

export function twoOfEach(network: ExampleNetwork, more: Values = {}): Values {
  return network.values({ replicas: 2 }, { coordinator: { replicas: 2 }, gateway: { replicas: 2 }, ...more })
}
