import { eventFromBundle, eventText, forgetEvent, storedContents } from '@koi-mcp/protocol'
import type { Bundle, Contents, EventType, Manifest, Rid } from '@koi-mcp/protocol'
import type { ArrivalPhase, DeadLetter, FailedAttempt, PendingArrival, StoredBundle } from './node-store.ts'

/** An arrival as stores keep it. */
export interface ArrivalRow {
  place: number
  lane: string
  phase: ArrivalPhase
  attempts: number
  accepted_at: number
  replayed: boolean | number
  rid: Rid
  event_type: EventType | null
  source: string | null
  normalized_event_type: EventType | null
  manifest: string | null
  contents: string | null
  previous_manifest: string | null
  previous_contents: string | null
}

export interface DeadLetterRow {
  place: number
  rid: Rid
  event_type: EventType | null
  source: string | null
  manifest: string | null
  contents: string | null
  error: string
  phase: ArrivalPhase
  attempts: number
  failed_at: number
  /** JSON of `FailedAttempt`s. */
  history: string
}

export interface CacheRow {
  rid: Rid
  origin: string | null
  seq: number
  manifest: string
  contents: string
}

/** A manifest whose text was checked before it was stored: nothing is checked again. */
export function storedManifest(text: string): Manifest {
  const { rid, timestamp, sha256_hash } = JSON.parse(text) as Omit<Manifest, 'text'>
  return { rid, timestamp, sha256_hash, text }
}

/** The bundle of two stored texts; its contents are parsed when somebody asks for their value. */
export function storedBundle(manifest: string, contents: string): Bundle {
  return { manifest: storedManifest(manifest), contents: storedContents(contents) }
}

/** Columns to members: what is NULL is left out. */
function storedParts(row: { manifest: string | null; contents: string | null; source: string | null }): {
  manifest?: Manifest
  contents?: Contents
  source?: Rid
} {
  return {
    ...(row.manifest === null ? {} : { manifest: storedManifest(row.manifest) }),
    ...(row.contents === null ? {} : { contents: storedContents(row.contents) }),
    ...(row.source === null ? {} : { source: row.source as Rid }),
  }
}

export function pendingArrival(row: ArrivalRow): PendingArrival {
  return {
    place: row.place,
    lane: row.lane,
    phase: row.phase,
    attempts: row.attempts,
    acceptedAt: row.accepted_at,
    rid: row.rid,
    ...(row.event_type === null ? {} : { eventType: row.event_type }),
    ...storedParts(row),
    ...(row.replayed ? { replayed: true } : {}),
    ...(row.normalized_event_type === null ? {} : { applied: appliedOf(row, row.normalized_event_type) }),
  }
}

export function deadLetter(row: DeadLetterRow): DeadLetter {
  return {
    place: row.place,
    arrival: { rid: row.rid, ...(row.event_type === null ? {} : { eventType: row.event_type }), ...storedParts(row) },
    error: row.error,
    phase: row.phase,
    attempts: row.attempts,
    failedAt: row.failed_at,
    history: JSON.parse(row.history) as FailedAttempt[],
  }
}

/** Attempts that a history keeps, and characters of an error in it. */
const KEPT_ATTEMPTS = 10
const KEPT_CHARACTERS = 2_000

/** The history of an arrival with one more failed attempt in it. */
export function withAttempt(history: string, { at, error }: FailedAttempt): string {
  const attempts = [...(JSON.parse(history) as FailedAttempt[]), { at, error: error.slice(0, KEPT_CHARACTERS) }]
  return JSON.stringify(attempts.slice(-KEPT_ATTEMPTS))
}

export function cachedBundle({ rid, origin, seq, manifest, contents }: CacheRow): StoredBundle {
  const bundle = storedBundle(manifest, contents)
  return origin === null ? { rid, bundle, seq } : { rid, bundle, origin: origin as Rid, seq }
}

/** The event of a queued reference, made from the bundle that is cached now; nothing when a NEW or UPDATE has lost it. */
export function textToSend(rid: Rid, eventType: EventType, bundle: Bundle | undefined): string | undefined {
  if (eventType === 'FORGET') return eventText(forgetEvent(rid))
  return bundle === undefined ? undefined : eventText(eventFromBundle(eventType, bundle))
}

/** The text of an UPDATE as that of a NEW. Of what stands before its type, none can be taken for it: within the RID, quotes are escaped. */
export function asNew(eventText: string): string {
  return eventText.replace(',"event_type":"UPDATE"', ',"event_type":"NEW"')
}

function appliedOf({ previous_manifest, previous_contents }: ArrivalRow, normalizedEventType: EventType) {
  if (previous_manifest === null || previous_contents === null) return { normalizedEventType }
  return { normalizedEventType, previous: storedBundle(previous_manifest, previous_contents) }
}
