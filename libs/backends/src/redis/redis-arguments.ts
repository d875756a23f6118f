import { documentTokens, laneOfArrival } from '@koi-mcp/core'
import type { CacheChange, Emissions, LaneLease, NewArrival } from '@koi-mcp/core'
import { generateManifest, parseTimestamp } from '@koi-mcp/protocol'
import type { Manifest, Rid } from '@koi-mcp/protocol'

/** What scripts read, in the order in which they read it. What is absent is empty. */
type Arguments = readonly (string | number)[]

const KEPT_CHARACTERS = 2_000
/** Stands where the server puts its own. It is no hash, and comes after the RID. */
const SOME_TIME = '2000-01-01T00:00:00Z'

export function leaseArguments({ lane, owner, token }: LaneLease, place: number): Arguments {
  return [lane, owner, token, place]
}

export function listArguments(list: Arguments): Arguments {
  return [list.length, ...list]
}

/** An error whole, and as much of it as a history keeps. */
export function errorArguments(error: string): Arguments {
  return [error, error.slice(0, KEPT_CHARACTERS)]
}

export function arrivalArguments(arrivals: readonly NewArrival[]): Arguments {
  const args: (string | number)[] = [arrivals.length]
  for (const arrival of arrivals) {
    const { rid, eventType = '', source = '', contents } = arrival
    args.push(laneOfArrival(arrival), rid, eventType, source, ...manifestArguments(arrival), contents?.text ?? '')
  }
  return args
}

export function emissionArguments({ arrivals, sends }: Emissions): Arguments {
  const args = [...arrivalArguments(arrivals), sends.length]
  for (const { target, rid, eventType, eventText } of sends) args.push(target, rid, eventType, eventText)
  return args
}

export function changeArguments(change: CacheChange): Arguments {
  if (change.kind === 'forget') return ['FORGET', '', '', '', '', '']
  const { normalizedEventType, origin = '', bundle } = change
  const { manifest, contents } = bundle
  const words = wordsOf(manifest.rid, contents.text)
  return [normalizedEventType, origin, manifest.text, contents.text, microsOf(manifest), words]
}

/** Manifest, the part of it behind the timestamp that it is to be given, and the stamp that it counts as. */
function manifestArguments({
  rid,
  eventType,
  source,
  manifest,
  contents,
}: NewArrival): readonly [string, string, string] {
  if (source !== undefined || eventType === 'FORGET') return [manifest?.text ?? '', '', '']
  if (manifest !== undefined) return [manifest.text, '', microsOf(manifest)]
  if (contents === undefined) return ['', '', '']
  const { text } = generateManifest(rid, contents, SOME_TIME)
  const at = text.lastIndexOf(SOME_TIME)
  return [text.slice(0, at), text.slice(at + SOME_TIME.length), '']
}

function microsOf({ timestamp }: Manifest): string {
  return String(parseTimestamp(timestamp))
}

/** Where a document of middling length has as many tokens. */
const MIDDLING = 100

/** Each token with its weight (1 to 1000): how often it stands there, ever less for each time more, and less in a longer document. */
function wordsOf(rid: Rid, contentsText: string): string {
  const tokens = documentTokens(rid, contentsText)
  const counts = new Map<string, number>()
  for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1)
  const length = 0.3 + (0.9 * tokens.length) / MIDDLING
  return [...counts].map(([token, count]) => `\n${token}=${Math.ceil((1000 * count) / (count + length))}`).join('')
}
