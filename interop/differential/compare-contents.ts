/** Contents, each in an event of an envelope of several: bundled there and read here, and the other way round. */
import {
  asRid,
  contentsOf,
  eventFromBundle,
  formatTimestamp,
  generateBundle,
  microsOf,
  parseContents,
  parseEnvelope,
  parseEvent,
  parsePayload,
  payloadText,
  sha256Contents,
} from '@koi-mcp/protocol'
import type { KoiEvent } from '@koi-mcp/protocol'
import { randomContents } from '../random-json.ts'
import type { Random } from '../random-json.ts'
import type { ReferenceProcess } from '../reference-process.ts'
import { compareVerdicts, disturbed, OUR_NODE, ours, verifiesAsSent } from './judged.ts'
import type { Judged, Theirs } from './judged.ts'
import { manifestJson, randomRid } from './random-messages.ts'
import type { Report } from './report.ts'

const EVENTS_AT_MOST = 4

interface Item {
  readonly rid: string
  readonly event_type: 'NEW' | 'UPDATE'
  readonly contents: string
}

/** `count` random contents in every direction. */
export async function compareContents(
  reference: ReferenceProcess,
  theirs: Theirs,
  random: Random,
  count: number,
  report: Report,
): Promise<void> {
  const groups = randomGroups(random, count)
  const signed = await reference.askAll(
    'sign_events',
    groups.map((events) => ({ events, target: OUR_NODE })),
  )
  const judged: Judged[] = []
  for (const [index, items] of groups.entries()) {
    const input = items.map(({ contents }) => contents).join('\n    ')
    const answer = signed[index]
    if (answer?.ok === undefined) {
      report.differ('the reference refused the contents', input, answer?.error ?? '')
      continue
    }
    report.count('contents', items.length)
    const { envelope, bundles } = answer.ok
    // Signed there, read here.
    report.expect('signature made there', input, String(verifiesAsSent(envelope, theirs.key)), 'true')
    const events = parsePayload(parseEnvelope(envelope).payload, 'events_payload').events.map(({ ok }) => ok)
    for (const [place, { rid, contents }] of items.entries()) {
      const [event, there] = [events[place], bundles[place]]
      report.expect('RID as printed there', contents, event?.rid, rid)
      report.expect('contents as printed there', contents, event?.contents?.text, there?.contents)
      report.expect('manifest as printed there', contents, event?.manifest?.text, there?.manifest)
      const read = parseContents(contents)
      report.expect('the same contents read here', contents, read.text, there?.contents)
      report.expect('hash', contents, sha256Contents(read.value), there?.hash)
    }
    const sign = (kind: 'relayed' | 'own', sent: readonly KoiEvent[]) =>
      ours(kind, 'events_payload', input, payloadText({ type: 'events_payload', events: sent }), theirs)
    // Relayed from here and read there: theirs, and as others may have written it.
    const relayed = items.map(
      (item, place) => (random.chance(0.5) ? events[place] : undefined) ?? foreignEvent(random, item),
    )
    const own = items.map((item) => ownEvent(random, item))
    judged.push(
      sign('relayed', relayed),
      sign('own', own),
      ...disturbed(random, 'events_payload', input, envelope, theirs.key),
    )
  }
  await compareVerdicts(reference, judged, report)
}

function randomGroups(random: Random, count: number): Item[][] {
  const groups: Item[][] = []
  for (let left = count; left > 0;) {
    const size = Math.min(left, 1 + random.below(EVENTS_AT_MOST))
    groups.push(
      Array.from({ length: size }, () => ({
        rid: randomRid(random),
        event_type: random.pick(['NEW', 'UPDATE'] as const),
        contents: randomContents(random, random.chance(0.3)),
      })),
    )
    left -= size
  }
  return groups
}

/** With fields that nobody knows in its manifest, and a timestamp of any form. */
function foreignEvent(random: Random, { rid, event_type, contents }: Item): KoiEvent {
  const manifest = manifestJson(random, rid, sha256Contents(parseContents(contents).value))
  return parseEvent(
    `{"contents":${contents},"event_type":"${event_type}","manifest":${manifest},"rid":${JSON.stringify(rid)}}`,
  )
}

function ownEvent(random: Random, { rid, event_type, contents }: Item): KoiEvent {
  const now = formatTimestamp(microsOf(new Date()) + BigInt(random.below(1e6)))
  return eventFromBundle(event_type, generateBundle(asRid(rid), contentsOf(JSON.parse(contents) as object), now))
}
