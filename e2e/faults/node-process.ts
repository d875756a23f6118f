import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConsumerNode, CoordinatorNode, DomainExtension, HandlerType, ProducerNode, serveNode } from '@koi-mcp/core'
import type { FaultPoint, KnowledgeAdapter, KnowledgeProcessor, KoiNode, StoredBundle } from '@koi-mcp/core'
import { defineRidType } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

/** One node as a process of its own, driven over Node's IPC channel. Its settings stand in its first argument, as JSON. */
export interface NodeSettings {
  readonly role: 'coordinator' | 'producer' | 'consumer'
  readonly state: string
  readonly port: number
  readonly firstContact?: string
  /** A consumer that nobody can call: it polls. */
  readonly partial?: boolean
  readonly durability?: 'full' | 'normal'
}

export type Order =
  | { readonly do: 'publish'; readonly rid: string; readonly contents: object; readonly key: string }
  | { readonly do: 'forget'; readonly rid: string }
  /** `kill -9` of this process when it comes to the point for the nth time about something whose name begins so. */
  | { readonly do: 'arm'; readonly point: FaultPoint; readonly about: string; readonly nth: number }
  /** While it does not, nobody can catch up with this node: what others have of it, they were told. */
  | { readonly do: 'serve fetches'; readonly serve: boolean }
  | { readonly do: 'tell' }

/** Told once the node serves. Under a tracer the process is not the one that was started. */
export interface Ready {
  readonly rid: string
  readonly pid: number
}

/** What a node holds. Hashes are those of manifests. */
export interface Holdings {
  readonly cache: Readonly<Record<string, string>>
  /** What its adapter was shown, and has not been told to forget. */
  readonly shown: Readonly<Record<string, string>>
  readonly changes: readonly (readonly [rid: string, eventType: string])[]
  /** Provider, subscriber and status of each edge. */
  readonly edges: readonly string[]
  readonly inbox: { readonly pending: number; readonly deadLetters: number }
  readonly queued: number
}

/** A call of the test's own handler in the Network phase, as a line of `network-phase.jsonl`. */
export interface NetworkCall {
  readonly rid: string
  readonly normalizedEventType: string
  readonly hash: string
  readonly previous?: string
}

const NoteRID = defineRidType('orn:faults.note')
/** No handler waits for it behind the cache: it goes the way from `apply` to `finish` in one step. */
const PlainRID = defineRidType('orn:faults.plain')

class Shown implements KnowledgeAdapter {
  readonly name = 'shown'
  readonly ridTypes = [NoteRID, PlainRID]
  readonly hashes = new Map<Rid, string>()
  register({ rid, bundle }: StoredBundle): void {
    this.hashes.set(rid, bundle.manifest.sha256_hash)
  }
  forget(rid: Rid): void {
    this.hashes.delete(rid)
  }
}

class Notes extends DomainExtension {
  readonly name = 'notes'
  readonly shown = new Shown()
  readonly #calls: string
  constructor(state: string) {
    super()
    this.#calls = join(state, 'network-phase.jsonl')
  }
  override get ridTypes() {
    return [NoteRID, PlainRID]
  }
  override get adapters() {
    return [this.shown]
  }
  override registerHandlers(processor: KnowledgeProcessor): void {
    processor.registerHandler(HandlerType.Network, { ridTypes: [NoteRID] }, (_, kobj) => {
      const { rid, normalizedEventType, manifest, previous } = kobj
      const call = { rid, normalizedEventType, hash: manifest?.sha256_hash, previous: previous?.manifest.sha256_hash }
      appendFileSync(this.#calls, `${JSON.stringify(call)}\n`)
    })
  }
}

const settings = JSON.parse(process.argv[2] ?? '') as NodeSettings
const notes = new Notes(settings.state)
let armed: Extract<Order, { do: 'arm' }> | undefined
let passages = 0
let servesFetches = true

function make(): KoiNode {
  const baseUrl = `http://127.0.0.1:${settings.port}/koi-net`
  const options = {
    ...settings,
    name: settings.role,
    baseUrl,
    domains: [notes],
    listen: false,
    network: { pollIntervalMs: 20 },
    faults: (point: FaultPoint, about: readonly string[]) => {
      if (armed?.point !== point || !about.some((name) => name.startsWith(armed?.about ?? ''))) return
      passages += 1
      if (passages === armed.nth) process.kill(process.pid, 'SIGKILL')
    },
  }
  switch (settings.role) {
    case 'coordinator':
      return new CoordinatorNode(options)
    case 'producer':
      return new ProducerNode(options)
    case 'consumer':
      return new ConsumerNode({ ...options, baseUrl: settings.partial === true ? undefined : baseUrl })
  }
}

async function holdings(node: KoiNode): Promise<Holdings> {
  const { store, graph } = node
  const bundles = await store.listBundles()
  const edges = graph.nodes().flatMap((rid) => graph.edgesOf(rid))
  const { pending, deadLetters } = await store.inboxState()
  return {
    cache: Object.fromEntries(bundles.map(({ rid, bundle }) => [rid, bundle.manifest.sha256_hash])),
    shown: Object.fromEntries(notes.shown.hashes),
    changes: (await store.changesAfter(0, 100_000)).map(({ rid, eventType }) => [rid, eventType]),
    edges: [...new Set(edges.map(({ profile }) => `${profile.source} ${profile.target} ${profile.status}`))].sort(),
    inbox: { pending, deadLetters },
    queued: (await store.outboxState()).reduce((sum, { queued }) => sum + queued, 0),
  }
}

const node = make()

async function obey(order: Order): Promise<unknown> {
  switch (order.do) {
    case 'publish':
      return node.publish({ rid: order.rid, contents: order.contents }, { idempotencyKey: order.key })
    case 'forget':
      return node.forget(order.rid)
    case 'arm':
      armed = order
      passages = 0
      return undefined
    case 'serve fetches':
      servesFetches = order.serve
      return undefined
    case 'tell':
      return holdings(node)
  }
}

process.on('disconnect', () => process.exit())
process.on('message', ({ id, order }: { id: number; order: Order }) => {
  obey(order).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})

const server = {
  handleRequest: (path: string, body: Uint8Array) =>
    servesFetches || path.startsWith('/events/')
      ? node.handleRequest(path, body)
      : Promise.resolve({ status: 503, contentType: 'application/json', body: '{}' } as const),
  wellKnown: () => node.wellKnown(),
}
if (settings.partial !== true) await serveNode(server, { host: '127.0.0.1', port: settings.port, basePath: '/koi-net' })
await node.start()
process.send?.({ ready: { rid: node.identity.rid, pid: process.pid } satisfies Ready })
