import { NetworkGraph, PeerError } from '@koi-mcp/core'
import type { Accepted, NewArrival, NodeStore, StoredBundle } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { graphSeen } from './check-history.ts'
import type { GraphSeen } from './check-history.ts'
import { gatedStore } from './gated-store.ts'
import type { Outcome } from './in-order.ts'
import { NodeProcess } from './node-process.ts'
import { arrivalsOf } from './plan.ts'
import type { Envelope, Plan } from './plan.ts'
import { Recording } from './recording.ts'
import { Actor, Scheduler } from './scheduler.ts'
import { servedBy } from './served.ts'
import type { FetchClient } from './served.ts'
import { BEGINNING, firstBundles, SELF, NAMES } from './world.ts'

/** A process of the node. */
interface Process {
  readonly actor: Actor
  readonly store: NodeStore
  readonly graph: NetworkGraph
}

/** An envelope and what the node answered, each time. */
export interface Answered {
  readonly arrivals: readonly NewArrival[]
  readonly answers: readonly Accepted[]
}

export interface Played extends Omit<Outcome, 'graph'> {
  readonly first: readonly StoredBundle[]
  readonly answered: readonly Answered[]
  /** Event texts in the order in which each node received them. */
  readonly received: ReadonlyMap<Rid, readonly string[]>
  readonly graphs: readonly GraphSeen[]
}

const PROCESSES = 2

/** Several processes of one node over one store, what they are sent, and what they send. */
export class History {
  readonly scheduler: Scheduler
  readonly #plan: Plan
  readonly #store: NodeStore
  readonly #client: FetchClient
  readonly #recording = new Recording()
  readonly #received = new Map<Rid, string[]>()
  readonly #answered: Answered[] = []
  readonly #processes: Process[] = []
  #started = 0
  #sending = 0

  constructor(plan: Plan, store: NodeStore) {
    this.#plan = plan
    this.#store = store
    this.#client = servedBy(plan.served)
    this.scheduler = new Scheduler(plan, (actor) => this.#replace(actor))
  }

  async play(): Promise<Played> {
    const store = this.#store
    const first = await begin(store)
    const before = await store.lastChange()
    for (let count = 0; count < PROCESSES; count++) this.#start()
    for (const name of NAMES) void this.#send(this.#plan.envelopes.filter(({ from }) => from === name))
    await this.scheduler.run(async () => {
      if (this.#sending > 0 || (await store.inboxState()).pending > 0) return false
      return (await store.outboxState()).length === 0
    })
    const graphs = this.#processes.map(({ graph }) => graph)
    for (const graph of graphs) await graph.follow(store)
    return {
      first,
      cache: new Map((await store.listBundles()).map((stored) => [stored.rid, stored])),
      changes: await store.changesAfter(before, 10_000),
      graphs: graphs.map(graphSeen),
      recording: this.#recording,
      answered: this.#answered,
      received: this.#received,
    }
  }

  #replace(dead: Actor): void {
    const index = this.#processes.findIndex(({ actor }) => actor === dead)
    this.#processes.splice(index, 1)
    this.#start()
  }

  #start(): void {
    const actor = new Actor(`process ${++this.#started}`)
    const { scheduler } = this
    const store = gatedStore(this.#store, actor, scheduler, (...step) => this.#recording.note(...step))
    const graph = new NetworkGraph(SELF.rid)
    this.#processes.push({ actor, store, graph })
    const process = new NodeProcess({
      name: actor.name,
      store,
      graph,
      authority: this.#plan.authority,
      client: this.#gatedClient(actor),
      pause: (point, failure) => this.#pause(actor, point, failure),
      receive: (target, texts) => this.#received.set(target, [...(this.#received.get(target) ?? []), ...texts]),
      retryMs: 400,
    })
    void scheduler.inside(() => graph.load(this.#store)).then(() => process.start())
  }

  #pause(actor: Actor, point: string, outage: () => Error): Promise<void> {
    return this.scheduler.pass(actor, point, { outage })
  }

  #gatedClient(actor: Actor): FetchClient {
    const gated = async <T>(node: Rid, fetch: () => Promise<T>): Promise<T> => {
      const away = () => new PeerError('UNREACHABLE', node, 'nobody answers', { retryable: true })
      await this.#pause(actor, 'before fetch', away)
      const answer = await fetch()
      await this.#pause(actor, 'after fetch', away)
      return answer
    }
    return {
      fetchManifests: (node, query) => gated(node, () => this.#client.fetchManifests(node, query)),
      fetchBundles: (node, rids) => gated(node, () => this.#client.fetchBundles(node, rids)),
    }
  }

  /** A peer, or the application, sends one envelope after the other, each until it is answered. */
  async #send(envelopes: readonly Envelope[]): Promise<void> {
    this.#sending += 1
    for (const [index, envelope] of envelopes.entries()) {
      const arrivals = arrivalsOf(envelope, this.#plan.authority)
      if (arrivals.length === 0) continue
      const once = { key: `${envelope.from} ${index}`, until: BEGINNING + 24 * 3_600_000 }
      const answers: Accepted[] = []
      for (let time = 0; time < (envelope.twice ? 2 : 1); time++) {
        answers.push(await this.#untilAnswered(({ store }) => store.accept(arrivals, once)))
      }
      this.#answered.push({ arrivals, answers })
    }
    this.#sending -= 1
  }

  async #untilAnswered<T>(call: (process: Process) => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      const process = this.#processes[attempt % this.#processes.length]!
      try {
        return await Promise.race([call(process), process.actor.died])
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 300))
      }
    }
  }
}

/** Puts into the cache what is there when the history begins. */
export async function begin(store: NodeStore): Promise<readonly StoredBundle[]> {
  const bundles = firstBundles()
  const nothing = { arrivals: [], sends: [] }
  const { places } = await store.accept(bundles.map(({ rid, bundle, origin }) => ({ rid, ...bundle, source: origin })))
  const lease = (await store.takeLanes('beginning', 60_000, 1))[0]!.lease
  for (const [index, { bundle, origin }] of bundles.entries()) {
    const change = { kind: 'write', normalizedEventType: 'NEW', bundle, origin } as const
    await store.apply(lease, places[index]!, change, nothing)
    await store.finish(lease, places[index]!, nothing)
  }
  await store.releaseLane(lease)
  return store.listBundles()
}
