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

/** When a call was made and when its answer was there: within, the store did it. A process that stands still notes late what it did. */
export interface Span {
  readonly began: number
  readonly ended: number
}

export interface RecordedStep extends Span {
  readonly place: number
  readonly lane: string
  readonly step: Step
}

/** What became of the arrivals of a history, in the order in which it did. */
export class Recording {
  /** By place; as they were when they were first looked at. */
  readonly arrivals = new Map<number, PendingArrival>()
  readonly steps: RecordedStep[] = []
  /** Places of arrivals whose own source was to be told of them. */
  readonly echoed: number[] = []

  /** Takes notice of a call of the store that was made; without a span, after all that was noted before. */
  note(name: string, args: readonly unknown[], result: unknown, span = this.#now()): void {
    switch (name) {
      case 'takeLanes':
        for (const { first } of result as readonly TakenLane[]) this.note('nextArrival', [], first, span)
        return
      case 'settle': {
        if (result === undefined) return
        const [lease, place, change, { targets }, emissions] = args as Call<'settle'>
        this.note('apply', [lease, place, change, emissions], undefined, span)
        this.note('announce', [lease, place, targets, NO_EMISSIONS], undefined, span)
        return this.note('finish', [lease, place, NO_EMISSIONS], undefined, span)
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
        return this.#add({ name, place, lane: lease.lane, ...span }, [change.kind, written], emissions)
      }
      case 'announce': {
        const [lease, place, targets, emissions] = args as Call<'announce'>
        const source = this.arrivals.get(place)?.source
        if (source !== undefined && targets.includes(source)) this.echoed.push(place)
        return this.#add({ name, place, lane: lease.lane, ...span }, agreed(lease.lane, targets), emissions)
      }
      case 'finish': {
        const [lease, place, emissions] = args as Call<'finish'>
        return this.#add({ name, place, lane: lease.lane, ...span }, undefined, emissions)
      }
      case 'deadLetter': {
        const [lease, place, error, emissions, targets = []] = args as Call<'deadLetter'>
        return this.#add({ name, place, lane: lease.lane, ...span }, [error, agreed(lease.lane, targets)], emissions)
      }
    }
  }

  /** The arrivals in the order of their places. */
  inOrder(): readonly PendingArrival[] {
    return [...this.arrivals.values()].sort((a, b) => a.place - b.place)
  }

  /** The steps of each arrival. */
  byPlace(): ReadonlyMap<number, readonly Step[]> {
    const inOrder = this.steps.toSorted((one, other) => one.began - other.began)
    const steps = new Map<number, Step[]>()
    for (const { place, step } of inOrder) steps.set(place, [...(steps.get(place) ?? []), step])
    return steps
  }

  #now(): Span {
    return { began: this.steps.length, ended: this.steps.length }
  }

  #add(
    { name, ...where }: Omit<RecordedStep, 'step'> & { readonly name: string },
    does: unknown,
    { arrivals, sends }: Emissions,
  ): void {
    const emits = [
      ...arrivals.map(({ rid, eventType, contents }) => `${eventType} ${rid} ${contents?.text}`),
      ...sends.map(({ target, eventText }) => `${target} ← ${eventText}`),
    ]
    this.steps.push({ ...where, step: { step: name, does, emits: emits.sort() } })
  }
}

/** Who is told of a node or an edge follows from the arrivals before it; who is told of other knowledge, also from when it was taken in. */
function agreed(lane: string, targets: readonly Rid[]): readonly Rid[] | undefined {
  return lane === NETWORK_LANE ? [...new Set(targets)].sort() : undefined
}
