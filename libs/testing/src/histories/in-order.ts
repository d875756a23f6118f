import { NetworkGraph, NO_EMISSIONS, Pipeline, silentLogger } from '@koi-mcp/core'
import type { AuthorityMode, Change, NodeStore, PendingArrival, StoredBundle } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'
import { Recording } from './recording.ts'
import type { FetchClient } from './served.ts'
import { handlersOf, SELF } from './world.ts'

type PipelineParts = ConstructorParameters<typeof Pipeline>[0]

/** What the arrivals of a history do not say. */
export interface Surroundings {
  readonly authority: AuthorityMode
  readonly client: FetchClient
}

/** Where a history ends. */
export interface Outcome {
  readonly cache: ReadonlyMap<Rid, StoredBundle>
  readonly changes: readonly Change[]
  readonly graph: NetworkGraph
  readonly recording: Recording
}

/** One process without a fault takes the arrivals in the order of their places; what its handlers emit is noted, and stands among the arrivals already. */
export async function takenInOrder(
  first: readonly StoredBundle[],
  arrivals: readonly PendingArrival[],
  { authority, client }: Surroundings,
): Promise<Outcome> {
  const recording = new Recording()
  const store = new PlainStore(first, recording)
  const graph = new NetworkGraph(SELF.rid)
  for (const { rid, bundle } of first) graph.observe(rid, bundle.contents)
  const pipeline = new Pipeline({
    handlers: handlersOf(authority, () => Promise.resolve()),
    store,
    graph,
    identity: SELF,
    client,
    log: silentLogger,
    clock: Date.now,
    signal: new AbortController().signal,
    maxAttempts: 1,
  })
  for (const arrival of arrivals) {
    recording.arrivals.set(arrival.place, arrival)
    await pipeline.run({ lane: arrival.lane, owner: 'in order', token: 0 }, arrival)
  }
  return { cache: store.cache, changes: store.changes, graph, recording }
}

/** What a pipeline asks of a store, in two maps. */
class PlainStore implements Awaited<PipelineParts['store']> {
  readonly cache: Map<Rid, StoredBundle>
  readonly changes: Change[] = []
  readonly #recording: Recording

  constructor(first: readonly StoredBundle[], recording: Recording) {
    this.cache = new Map(first.map((stored) => [stored.rid, stored]))
    this.#recording = recording
  }

  apply: NodeStore['apply'] = (...args) => {
    const [, place, change] = args
    const { rid } = this.#recording.arrivals.get(place)!
    const previous = this.cache.get(rid)
    const seq = this.changes.length + 1
    const origin = change.kind === 'write' ? change.origin : previous?.origin
    const eventType = change.kind === 'write' ? change.normalizedEventType : 'FORGET'
    this.changes.push({ seq, rid, eventType, ...(origin && { origin }) })
    if (change.kind === 'write') this.cache.set(rid, { rid, seq, bundle: change.bundle, ...(origin && { origin }) })
    else this.cache.delete(rid)
    return this.#note('apply', args, { seq, previous: previous?.bundle })
  }
  announce: NodeStore['announce'] = (...args) => this.#note('announce', args, undefined)
  settle: NodeStore['settle'] = async (lease, place, change, { targets }, emissions) => {
    await this.apply(lease, place, change, emissions)
    await this.announce(lease, place, targets, NO_EMISSIONS)
    await this.finish(lease, place, NO_EMISSIONS)
    return { more: false }
  }
  finish: NodeStore['finish'] = (...args) => this.#note('finish', args, undefined)
  deadLetter: NodeStore['deadLetter'] = (...args) => this.#note('deadLetter', args, undefined)
  read: NodeStore['read'] = (rid) => Promise.resolve(this.cache.get(rid))
  readMany: NodeStore['readMany'] = (rids) => Promise.resolve(rids.flatMap((rid) => this.cache.get(rid) ?? []))
  listRids: NodeStore['listRids'] = () => Promise.resolve([...this.cache.keys()])
  changesAfter: NodeStore['changesAfter'] = (seq, limit) => Promise.resolve(this.changes.slice(seq, seq + limit))

  #note<T>(name: string, args: readonly unknown[], result: T): Promise<T> {
    this.#recording.note(name, args, result)
    return Promise.resolve(result)
  }
}
