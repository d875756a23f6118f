import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import type { Change, NetworkGraph, NewArrival, PendingArrival, StoredBundle } from '@koi-mcp/core'
import { compareTimestamps, edgeRid, parseManifest, parseTimestamp } from '@koi-mcp/protocol'
import type { Manifest, Rid } from '@koi-mcp/protocol'
import type { Played } from './history.ts'
import { takenInOrder } from './in-order.ts'
import type { Surroundings } from './in-order.ts'
import { expectedKnowledge } from './rules.ts'
import { DIGEST, NOTE, ridOf } from './world.ts'

/** Everything that has to hold where a history ends. What a process did just before it was killed may not be recorded: `isWhole: false`. */
export async function checkHistory(played: Played, surroundings: Surroundings, isWhole = true): Promise<void> {
  const arrivals = played.recording.inOrder()
  const expected = await takenInOrder(played.first, arrivals, surroundings)
  same('the cache', cacheOf(played.cache.values()), cacheOf(expected.cache.values()))
  const rules = await expectedKnowledge(arrivals, surroundings)
  same('knowledge, by the rules', knowledgeOf(played.cache), knowledgeOf(rules))
  for (const graph of played.graphs) same('the graph', sorted(graph), sorted(graphSeen(expected.graph)))
  same('the changes of each RID', changesByRid(played.changes), changesByRid(expected.changes))
  same('arrivals told to their own source', played.recording.echoed, [])
  checkAnswers(played)
  checkLanes(played)
  checkStamps(arrivals)
  checkSubscriber(played)
  if (!isWhole) return
  same('the steps of each arrival', played.recording.byPlace(), expected.recording.byPlace())
  same('arrivals', accepted(played), arrivals.map(identityOfArrival).sort())
  checkEmissions(played, arrivals)
}

/** Deep equality first, for the difference is dear to print. */
function same(what: string, actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual, what).toEqual(expected)
}

function cacheOf(cache: Iterable<Pick<StoredBundle, 'rid' | 'bundle' | 'origin'>>): unknown {
  return [...cache]
    .map(({ rid, bundle, origin }) => [rid, bundle.manifest.text, bundle.contents.text, origin])
    .sort(byFirst)
}

function knowledgeOf(known: ReadonlyMap<Rid, Pick<StoredBundle, 'bundle' | 'origin'>>): unknown {
  const knowledge = [...known].filter(([rid]) => isKnowledge(rid))
  return cacheOf(knowledge.map(([rid, { bundle, origin }]) => ({ rid, bundle, origin })))
}

function isKnowledge(rid: Rid): boolean {
  return rid.startsWith(`${NOTE.name}:`) || rid.startsWith(`${DIGEST.name}:`)
}

/** What a process believes of the network. */
export interface GraphSeen {
  readonly nodes: readonly (readonly [rid: string, profile: unknown])[]
  readonly edges: readonly (readonly [rid: string, profile: unknown])[]
}

export function graphSeen(graph: NetworkGraph): GraphSeen {
  return {
    nodes: graph.nodes().map((node) => [node, graph.profile(node)]),
    edges: graph.edges().map(({ rid, profile }) => [rid, profile]),
  }
}

/** As another process would tell it. */
function sorted({ nodes, edges }: GraphSeen): unknown {
  return JSON.parse(JSON.stringify([[...nodes].sort(byFirst), [...edges].sort(byFirst)]))
}

function changesByRid(changes: readonly Change[]): unknown {
  return Map.groupBy(
    changes.map(({ rid, eventType, origin }) => ({ rid, eventType, origin })),
    ({ rid }) => rid,
  )
}

function byFirst([a]: readonly [string, ...unknown[]] | readonly unknown[], [b]: readonly unknown[]): number {
  return String(a) < String(b) ? -1 : 1
}

/** What was acknowledged and what handlers emitted: all of it, once. */
function accepted({ answered, recording }: Played): readonly string[] {
  const emitted = recording.steps.flatMap(({ step }) => step.emits.filter((text) => !text.includes(' ← ')))
  return [...answered.flatMap(({ arrivals }) => arrivals.map(identityOfArrival)), ...emitted].sort()
}

function identityOfArrival({ rid, eventType, contents, source }: NewArrival): string {
  return `${eventType} ${rid} ${contents?.text}${source === undefined ? '' : ` from ${source}`}`
}

/** Each answer names the places of its envelope, and the same envelope again has the same ones. */
function checkAnswers({ answered, recording }: Played): void {
  for (const { arrivals, answers } of answered) {
    for (const [time, { places, repeated }] of answers.entries()) {
      same('places of an envelope', places, answers[0]?.places)
      if (time > 0) same('whether an envelope was known', repeated, true)
      const found = places.map((place) => recording.arrivals.get(place))
      same(
        'arrivals at their places',
        found.map((at) => at && identityOfArrival(at)),
        arrivals.map(identityOfArrival),
      )
    }
  }
}

/** What the node says of an RID itself is newer each time. */
function checkStamps(arrivals: readonly PendingArrival[]): void {
  const own = arrivals.filter(({ source, manifest }) => source === undefined && manifest !== undefined)
  for (const [rid, stamped] of Map.groupBy(own, (arrival) => arrival.rid)) {
    const stamps = stamped.map(({ manifest }) => parseTimestamp(manifest!.timestamp))
    same(
      `stamps of ${rid}`,
      stamps,
      [...new Set(stamps)].sort((a, b) => (a < b ? -1 : 1)),
    )
  }
}

/** A note that was written has its digest emitted, once, unless a handler before failed for good. */
function checkEmissions({ changes, recording }: Played, arrivals: readonly PendingArrival[]): void {
  const written = changes.filter(({ rid, eventType }) => rid.startsWith(NOTE.name) && eventType !== 'FORGET')
  const failed = recording.steps.filter(({ step }) => String(step.does).startsWith('poison in phase network'))
  const digests = arrivals.filter(({ rid, eventType }) => rid.startsWith(DIGEST.name) && eventType === 'NEW')
  same('the number of digests', digests.length, written.length - failed.length)
}

/** Within a lane one arrival ends before the next one begins: no step is made when one of a later arrival has been. */
function checkLanes({ recording }: Played): void {
  for (const [lane, steps] of Map.groupBy(recording.steps, (step) => step.lane)) {
    const late = steps.filter(({ place, began }) => steps.some((step) => step.ended < began && step.place > place))
    same(`steps that came late in ${lane}`, late, [])
  }
}

/**
 * Carol, taking in what she was sent as any node would, knows what the node knows: of all that changed since she subscribed, and that she did not
 * speak about herself.
 */
function checkSubscriber({ cache, changes, received, recording }: Played): void {
  const carol = ridOf('carol')
  const edge = cache.get(edgeRid(ridOf('self'), carol))
  if (edge === undefined) return
  const types = (edge.bundle.contents.value as { rid_types: string[] }).rid_types
  const hers = new Set(recording.inOrder().flatMap(({ rid, source }) => (source === carol ? [rid] : [])))
  const owed = new Map<Rid, number>()
  for (const { rid, seq } of changes) if (!owed.has(rid)) owed.set(rid, seq)
  const known = takenIn(received.get(carol) ?? [])
  for (const [rid, first] of owed) {
    const type = rid.slice(0, rid.lastIndexOf(':'))
    if (!isKnowledge(rid) || !types.includes(type) || hers.has(rid) || first < edge.seq) continue
    same(`what Carol knows of ${rid}`, known.get(rid)?.sha256_hash, cache.get(rid)?.bundle.manifest.sha256_hash)
  }
}

function takenIn(eventTexts: readonly string[]): ReadonlyMap<string, Manifest> {
  const known = new Map<string, Manifest>()
  for (const text of eventTexts) {
    const event = JSON.parse(text) as { rid: string; event_type: string; manifest?: object }
    if (event.event_type === 'FORGET') {
      known.delete(event.rid)
      continue
    }
    const manifest = parseManifest(JSON.stringify(event.manifest))
    const cached = known.get(event.rid)
    const isNews =
      cached === undefined ||
      (cached.sha256_hash !== manifest.sha256_hash && compareTimestamps(manifest.timestamp, cached.timestamp) > 0)
    if (isNews) known.set(event.rid, manifest)
  }
  return known
}
