import type { Bundle, EventType, Rid } from '@koi-mcp/protocol'
import { eventText } from '@koi-mcp/protocol'
import type { Emissions, NewArrival } from '../store/node-store.ts'

/** Collects what the handlers of one step give rise to, to be committed with that step. */
export class EmissionCollector {
  #arrivals: NewArrival[] = []
  #sends: Emissions['sends'][number][] = []
  #kept = { arrivals: 0, sends: 0 }
  deadLetter: Error | undefined

  push(arrival: NewArrival): void {
    this.#arrivals.push(arrival)
  }

  send(target: Rid, event: { eventType: EventType; rid: Rid; bundle?: Bundle | undefined }): void {
    this.#sends.push({
      target,
      rid: event.rid,
      eventType: event.eventType,
      eventText: eventText({ rid: event.rid, event_type: event.eventType, ...event.bundle }),
    })
  }

  /** What was collected so far; the collector is empty afterwards. */
  take(): Emissions {
    const taken = { arrivals: this.#arrivals, sends: this.#sends }
    this.#arrivals = []
    this.#sends = []
    this.keep()
    return taken
  }

  /** A handler ended well: what was collected so far holds, even when one behind it fails. */
  keep(): void {
    this.#kept = { arrivals: this.#arrivals.length, sends: this.#sends.length }
  }

  /** A handler failed for good: what it gave rise to is dropped, or, `whole`, what all of this step did. */
  fail(error: unknown, whole: boolean): void {
    this.deadLetter = error instanceof Error ? error : new Error(String(error))
    this.#arrivals.length = whole ? 0 : this.#kept.arrivals
    this.#sends.length = whole ? 0 : this.#kept.sends
  }
}
