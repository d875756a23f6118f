import { NETWORK_LANE, NO_EMISSIONS } from '@koi-mcp/core'
import type { Emissions, NodeStore, PendingArrival, TakenLane } from '@koi-mcp/core'
import type { Rid } from '@koi-mcp/protocol'

/** One durable step of an arrival, as far as it has to be the same whoever made it. */
export interface Step {
  readonly step: string
  readonly does: unknown
  readonly emits: readonly string[]
}

type Call<Name extends keyof NodeStore> = Parameters<NodeStore[Name]>

/** What became of the arrivals of a history, in the order in which it did. */
export class Recording {
  /** By place; as they were when they were first looked at. */
  readonly arrivals = new Map<number, PendingArrival>()
  readonly steps: { readonly place: number; readonly lane: string; readonly step: Step }[] = []
  /** Places of arrivals whose own source was to be told of them. */
  readonly echoed: number[] = []

  /** Takes notice of a call of the store that was made. */
  note(name: string, args: readonly unknown[], result: unknown): void {
    switch (name) {
      case 'takeLanes':
        for (const { first } of result as readonly TakenLane[]) this.note('nextArrival', [], first)
        return
      case 'settle': {
        if (result === undefined) return
        const [lease, place, change, { targets }, emissions] = args as Call<'settle'>
        this.note('apply', [lease, place, change, emissions], undefined)
        this.note('announce', [lease, place, targets, NO_EMISSIONS], undefined)
        return this.note('finish', [lease, place, NO_EMISSIONS], undefined)
      }
      case 'nextArrival': {
        const arrival = result as PendingArrival | undefined
        if (arrival?.phase === 'received' && !this.arrivals.has(arrival.place))
          this.arrivals.set(arrival.place, arrival)
        return
      }
      case 'apply': {
        const [lease, place, change, emissions] = args as Call<'apply'>
        const written = change.kind === 'forget' ? undefined : [change.bundle.manifest.text, change.origin]
        return this.#add(name, place, lease.lane, [change.kind, written], emissions)
      }
      case 'announce': {
        const [lease, place, targets, emissions] = args as Call<'announce'>
        const source = this.arrivals.get(place)?.source
        if (source !== undefined && targets.includes(source)) this.echoed.push(place)
        return this.#add(name, place, lease.lane, agreed(lease.lane, targets), emissions)
      }
      case 'finish': {
        const [lease, place, emissions] = args as Call<'finish'>
        return this.#add(name, place, lease.lane, undefined, emissions)
      }
      case 'deadLetter': {
        const [lease, place, error, emissions, targets = []] = args as Call<'deadLetter'>
        return this.#add(name, place, lease.lane, [error, agreed(lease.lane, targets)], emissions)
      }
    }
  }

  /** The arrivals in the order of their places. */
  inOrder(): readonly PendingArrival[] {
    return [...this.arrivals.values()].sort((a, b) => a.place - b.place)
  }

  /** The steps of each arrival. */
  byPlace(): ReadonlyMap<number, readonly Step[]> {
    return Map.groupBy(this.steps, ({ place }) => place) as never
  }

  #add(step: string, place: number, lane: string, does: unknown, { arrivals, sends }: Emissions): void {
    const emits = [
      ...arrivals.map(({ rid, eventType, contents }) => `${eventType} ${rid} ${contents?.text}`),
      ...sends.map(({ target, eventText }) => `${target} ← ${eventText}`),
    ]
    this.steps.push({ place, lane, step: { step, does, emits: emits.sort() } })
  }
}

/** Who is told of a node or an edge follows from the arrivals before it; who is told of other knowledge, also from when it was taken in. */
function agreed(lane: string, targets: readonly Rid[]): readonly Rid[] | undefined {
  return lane === NETWORK_LANE ? [...new Set(targets)].sort() : undefined
}
