import type { ArrivalRow, CacheRow, DeadLetterRow } from '@koi-mcp/core'
import type { EventType, Rid } from '@koi-mcp/protocol'

/** A hash as the server lists it: names and values in turn. */
export type Flat = readonly string[]

export function arrivalRow(place: string, flat: Flat): ArrivalRow {
  const row = fieldsOf(flat)
  return {
    place: Number(place),
    lane: needed(row, 'lane'),
    phase: (row.get('phase') ?? 'received') as ArrivalRow['phase'],
    attempts: Number(row.get('attempts') ?? 0),
    accepted_at: Number(needed(row, 'accepted_at')),
    replayed: row.has('replayed'),
    ...eventOf(row),
    normalized_event_type: (row.get('normalized_event_type') as EventType | undefined) ?? null,
    previous_manifest: row.get('previous_manifest') ?? null,
    previous_contents: row.get('previous_contents') ?? null,
  }
}

export function deadLetterRow(place: string, flat: Flat): DeadLetterRow {
  const row = fieldsOf(flat)
  return {
    place: Number(place),
    ...eventOf(row),
    error: needed(row, 'error'),
    phase: (row.get('phase') ?? 'received') as DeadLetterRow['phase'],
    attempts: Number(row.get('attempts') ?? 0),
    failed_at: Number(needed(row, 'failed_at')),
    history: row.get('history') ?? '[]',
  }
}

/** As `HMGET` of `CACHE_FIELDS` answers. */
export type CacheFields = readonly [
  manifest: string | null,
  contents: string | null,
  origin: string | null,
  seq: string | null,
]
export const CACHE_FIELDS = ['manifest', 'contents', 'origin', 'seq'] as const

/** Nothing where nothing is cached. */
export function cacheRow(rid: Rid, [manifest, contents, origin, seq]: CacheFields): CacheRow | undefined {
  if (manifest === null || contents === null) return undefined
  return { rid, manifest, contents, origin, seq: Number(seq) }
}

/** As the server orders. */
export function inByteOrder(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other))
}

function eventOf(row: ReadonlyMap<string, string>) {
  return {
    rid: needed(row, 'rid') as Rid,
    event_type: (row.get('event_type') as EventType | undefined) ?? null,
    source: row.get('source') ?? null,
    manifest: row.get('manifest') ?? null,
    contents: row.get('contents') ?? null,
  }
}

function needed(row: ReadonlyMap<string, string>, name: string): string {
  const value = row.get(name)
  if (value === undefined) throw new SyntaxError(`a row has no ${name}`)
  return value
}

function fieldsOf(flat: Flat): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (let index = 0; index + 1 < flat.length; index += 2) fields.set(flat[index]!, flat[index + 1]!)
  return fields
}
