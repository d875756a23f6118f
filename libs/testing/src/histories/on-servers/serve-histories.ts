import { flushCompileCache } from 'node:module'
import { NetworkGraph, PeerError } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import { graphSeen } from '../check-history.ts'
import { NodeProcess } from '../node-process.ts'
import { arrivalsOf } from '../plan.ts'
import { servedBy } from '../served.ts'
import { SELF } from '../world.ts'
import type { AnswerMessage, Begin, CallMessage, Calls } from './calls.ts'
import { hazardousStore } from './hazardous-store.ts'
import { Hazards } from './hazards.ts'
import { Journal } from './journal.ts'

/** The program of a worker process: it takes part in one history after the other, for the parent that forked it. */
export function serveHistories(open: (namespace: string) => Promise<NodeStore>): void {
  // One that is killed would leave nothing that is compiled for the next.
  flushCompileCache()
  const part = new Part(open)
  process.on('message', (message) => {
    const { id, call, argument } = message as CallMessage
    void (part[call] as (argument: unknown) => Promise<unknown>).call(part, argument).then(
      (result) => answer({ id, result }),
      (error: unknown) => answer({ id, error: String(error) }),
    )
  })
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
}

/** A parent that is gone wants none. */
function answer(message: AnswerMessage): void {
  process.send?.(message, () => undefined)
}

class Part implements Calls {
  readonly #open: (namespace: string) => Promise<NodeStore>
  #opened: { readonly namespace: string; readonly store: NodeStore } | undefined
  #playing: { store: NodeStore; gated: NodeStore; graph: NetworkGraph; node: NodeProcess; begun: Begin } | undefined

  constructor(open: (namespace: string) => Promise<NodeStore>) {
    this.#open = open
  }

  async begin(begun: Begin): Promise<void> {
    const { namespace, plan, name, seed, faults, sudden } = begun
    const journal = new Journal(begun.journal)
    const hazards = new Hazards({ process: name, seed, noise: plan.noise, faults, sudden, journal })
    const store = await this.#storeOf(namespace)
    const gated = hazardousStore(store, hazards, journal)
    const graph = new NetworkGraph(SELF.rid)
    await graph.load(store)
    const away = (rid: Parameters<ReturnType<typeof servedBy>['fetchBundles']>[0]) => () =>
      new PeerError('UNREACHABLE', rid, 'nobody answers', { retryable: true })
    const served = servedBy(plan.served)
    const node = new NodeProcess({
      name,
      store: gated,
      graph,
      authority: plan.authority,
      client: {
        fetchManifests: async (rid, query) => {
          await hazards.pass('before fetch', { outage: away(rid) })
          return served.fetchManifests(rid, query)
        },
        fetchBundles: async (rid, rids) => {
          await hazards.pass('before fetch', { outage: away(rid) })
          return served.fetchBundles(rid, rids)
        },
      },
      pause: (point, outage) => hazards.pass(point, { outage }),
      receive: (target, texts) => journal.received(target, texts),
      retryMs: 20,
    })
    this.#playing = { store, gated, graph, node, begun }
    node.start()
  }

  async accept(index: number) {
    const { gated, begun } = this.#part
    const { plan } = begun
    const arrivals = arrivalsOf(plan.envelopes[index]!, plan.authority)
    return await gated.accept(arrivals, { key: `envelope ${index}`, until: Date.now() + 24 * 3_600_000 })
  }

  async end() {
    const { store, graph, node } = this.#part
    await node.stop()
    await graph.follow(store)
    return graphSeen(graph)
  }

  /** The store of the last history, where it is the same: opening one takes longer than much of a history. */
  async #storeOf(namespace: string): Promise<NodeStore> {
    if (this.#opened?.namespace === namespace) return this.#opened.store
    await this.#opened?.store.close()
    const store = await this.#open(namespace)
    this.#opened = { namespace, store }
    return store
  }

  get #part() {
    if (this.#playing === undefined) throw new Error('no history has begun')
    return this.#playing
  }
}
