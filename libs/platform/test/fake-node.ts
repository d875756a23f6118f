import { generateBundle, asRid, contentsOf, KOI_NET_NODE, storedContents } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type {
  BackupManifest,
  DeadLetter,
  KnowledgeChange,
  LapsedTarget,
  NodeReply,
  OutboxTargetState,
  StoredBundle,
} from '@koi-mcp/core'
import type { NodeHappening, PublishingNode, ServiceNode } from '../src/index.ts'

export const NODE_RID = asRid(`${KOI_NET_NODE.name}:fake+${'0'.repeat(64)}`)

export const stored = (rid: string, text: string, seq = 1): StoredBundle => ({
  rid: asRid(rid),
  bundle: generateBundle(asRid(rid), storedContents(text), '2026-01-02T03:04:05Z'),
  seq,
})

/** A node without a network: says what it is told to say, and remembers what it was asked. */
export class FakeNode implements ServiceNode, PublishingNode {
  readonly identity = {
    rid: NODE_RID,
    name: 'fake',
    profile: {
      base_url: 'http://fake/koi-net',
      node_type: 'FULL' as const,
      provides: { event: [], state: [] },
      public_key: 'x',
    },
  }
  readonly registry = { schemas: { names: ['DatasetMetadata'] } }
  bundles: StoredBundle[] = []
  letters: DeadLetter[] = []
  outbox: readonly OutboxTargetState[] = []
  lapsed: readonly LapsedTarget[] = []
  readonly calls: unknown[][] = []
  failing: Error | undefined
  replies: (path: string, body: Uint8Array) => Promise<NodeReply> = () =>
    Promise.resolve({ status: 200, contentType: 'application/json', body: 'null' })
  readonly #listeners = new Set<(event: NodeHappening) => void>()
  readonly #changeListeners = new Set<(change: KnowledgeChange) => void>()

  readonly knowledge: ServiceNode['knowledge'] = {
    read: (rid) => Promise.resolve(this.bundles.find((bundle) => bundle.rid === rid)),
    readMany: () => Promise.resolve(this.bundles),
    listRids: ({ after, limit = Infinity } = {}) =>
      Promise.resolve(
        this.bundles
          .map(({ rid }) => rid)
          .filter((rid) => after === undefined || rid > after)
          .slice(0, limit),
      ),
    listBundles: () => Promise.resolve(this.bundles),
    countByType: () => Promise.resolve(new Map([['orn:a.b', this.bundles.length]])),
    search: (query, options) => {
      this.calls.push(['search', query, options])
      return Promise.resolve({ total: 0, hits: [] })
    },
  }
  readonly graph: { -readonly [K in keyof ServiceNode['graph']]: ServiceNode['graph'][K] } = {
    profile: () => undefined,
    nodes: () => [NODE_RID],
    edge: () => undefined,
    edges: () => [],
    edgesOf: () => [],
    subscribers: () => [],
    neighbors: () => [],
    stateProviders: () => [],
  }
  readonly queue: { state: 'up' | 'away'; counts: ServiceNode['queue']['counts'] } = {
    state: 'up',
    counts: () => Promise.resolve(undefined),
  }
  leads = true
  readonly store: { -readonly [K in keyof ServiceNode['store']]: ServiceNode['store'][K] } = {
    inboxState: () => Promise.resolve({ pending: 2, deadLetters: 1, nextDueAt: undefined }),
    outboxState: () => Promise.resolve(this.outbox),
    lapsedTargets: () => Promise.resolve(this.lapsed),
    listDeadLetters: ({ after = 0, limit = 100 } = {}) =>
      Promise.resolve(this.letters.filter(({ place }) => place > after).slice(0, limit)),
    replayDeadLetter: (place) => Promise.resolve(this.#takeLetter(place) ? place + 1_000 : undefined),
    dropDeadLetter: (place) => Promise.resolve(this.#takeLetter(place)),
    lastChange: () => (this.failing === undefined ? Promise.resolve(1) : Promise.reject(this.failing)),
  }

  #takeLetter(place: number): boolean {
    const count = this.letters.length
    this.letters = this.letters.filter((letter) => letter.place !== place)
    return this.letters.length < count
  }

  handleRequest(path: string, body: Uint8Array): Promise<NodeReply> {
    this.calls.push(['handleRequest', path, Buffer.from(body).toString('latin1')])
    return this.replies(path, body)
  }
  wellKnown(): string {
    return `{"rid":"${NODE_RID}"}`
  }
  onEvent(listener: (event: NodeHappening) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  onChange(listener: (change: KnowledgeChange) => void): () => void {
    this.#changeListeners.add(listener)
    return () => this.#changeListeners.delete(listener)
  }
  get listeners(): number {
    return this.#listeners.size + this.#changeListeners.size
  }
  tell(event: NodeHappening): void {
    for (const listener of this.#listeners) listener(event)
  }
  change(change: KnowledgeChange): void {
    for (const listener of this.#changeListeners) listener(change)
  }
  publish(input: object, options?: { idempotencyKey?: string }): Promise<{ rid: Rid; place: number }> {
    this.calls.push(['publish', contentsOf(input).text, options])
    return this.failing === undefined
      ? Promise.resolve({ rid: asRid('orn:a.b:c'), place: 7 })
      : Promise.reject(this.failing)
  }
  forget(rid: string): Promise<void> {
    this.calls.push(['forget', rid])
    return Promise.resolve()
  }
  fillBackup(folder: string): Promise<BackupManifest> {
    this.calls.push(['fillBackup', folder])
    if (this.failing !== undefined) return Promise.reject(this.failing)
    return Promise.resolve({ format: 1, node_rid: NODE_RID, at: '2026-01-02T03:04:05.000Z', parts: [] })
  }
  start(): Promise<void> {
    this.calls.push(['start'])
    return Promise.resolve()
  }
  stop(): Promise<void> {
    this.calls.push(['stop'])
    return Promise.resolve()
  }
}
