import { stringText } from '@koi-mcp/protocol'
import type { DeadLetter } from '@koi-mcp/core'

/** A dead letter without what it carries: a row of the list. */
export interface DeadLetterSummary {
  readonly place: number
  readonly rid: string
  readonly event_type: string | null
  /** The node it came from; null = this node itself. */
  readonly source: string | null
  /** Behind `received` the cache has changed. */
  readonly phase: string
  readonly attempts: number
  /** ISO 8601, UTC. */
  readonly failed_at: string
  readonly error: string
}

export function deadLetterSummary(letter: DeadLetter): DeadLetterSummary {
  const { place, arrival, phase, attempts, failedAt, error } = letter
  return {
    place,
    rid: arrival.rid,
    event_type: arrival.eventType ?? null,
    source: arrival.source ?? null,
    phase,
    attempts,
    failed_at: new Date(failedAt).toISOString(),
    error,
  }
}

/** All of it; manifest and contents are the texts that were received, byte for byte, and null where the event carried none. */
export function deadLetterText(letter: DeadLetter): string {
  const { manifest, contents } = letter.arrival
  const history = letter.history.map(({ at, error }) => ({ at: new Date(at).toISOString(), error }))
  const rest = Object.entries({ ...deadLetterSummary(letter), history }).map(
    ([name, value]) => `${stringText(name)}:${JSON.stringify(value)}`,
  )
  return `{${rest.join(',')},"manifest":${manifest?.text ?? 'null'},"contents":${contents?.text ?? 'null'}}`
}
