/** Payloads of every type: read on both sides, printed the same, signed on either and believed by the other. */
import { parseEnvelope, parseJson, parsePayload, payloadText, ProtocolError } from '@koi-mcp/protocol'
import type { Item, Payload, PayloadType, ReceivedPayloads } from '@koi-mcp/protocol'
import type { Random } from '../random-json.ts'
import type { ReferenceProcess } from '../reference-process.ts'
import { compareVerdicts, disturbed, OUR_NODE, ours, verifiesAsSent } from './judged.ts'
import type { Judged, Theirs } from './judged.ts'
import { payloadJson } from './random-messages.ts'
import type { Report } from './report.ts'

const TYPES: readonly PayloadType[] = [
  'events_payload',
  'poll_events',
  'fetch_rids',
  'fetch_manifests',
  'fetch_bundles',
  'rids_payload',
  'manifests_payload',
  'bundles_payload',
]

/** `count` random payloads in every direction. */
export async function compareMessages(
  reference: ReferenceProcess,
  theirs: Theirs,
  random: Random,
  count: number,
  report: Report,
): Promise<void> {
  const messages = Array.from({ length: count }, () => {
    const type = random.pick(TYPES)
    return { type, text: payloadJson(random, type) }
  })
  const signed = await reference.askAll(
    'sign_payload',
    messages.map(({ type, text }) => ({ type, payload: text, target: OUR_NODE })),
  )
  const judged: Judged[] = []
  for (const [index, { type, text }] of messages.entries()) {
    const there = signed[index]?.ok
    const here = readHere(text, type)
    report.count(there === undefined ? 'payloads refused' : 'payloads')
    report.expect(`${type} as printed`, text, here, there?.payload)
    if (here === undefined || there === undefined) continue
    report.expect('signature made there', text, String(verifiesAsSent(there.envelope, theirs.key)), 'true')
    report.expect(`${type} as sent there`, text, parseEnvelope(there.envelope).payloadText, here)
    judged.push(ours('own', type, text, here, theirs), ...disturbed(random, type, text, there.envelope, theirs.key))
  }
  await compareVerdicts(reference, judged, report)
}

/** A payload as we read and print it; undefined when any part of it is refused. */
function readHere(text: string, type: PayloadType): string | undefined {
  try {
    return payloadText(whole(parsePayload(parseJson(text), type)))
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}

/** The payload when all its items could be read. @throws ProtocolError else */
function whole(received: ReceivedPayloads[PayloadType]): Payload {
  switch (received.type) {
    case 'poll_events':
    case 'fetch_rids':
      return received
    case 'events_payload':
      return { ...received, events: all(received.events) }
    case 'fetch_manifests':
    case 'fetch_bundles':
    case 'rids_payload':
      return { ...received, rids: all(received.rids) }
    case 'manifests_payload':
      return { ...received, manifests: all(received.manifests), not_found: all(received.not_found) }
    case 'bundles_payload':
      return {
        ...received,
        bundles: all(received.bundles),
        not_found: all(received.not_found),
        deferred: all(received.deferred),
      }
  }
}

function all<T>(items: readonly Item<T>[]): T[] {
  return items.map((item) => {
    if (item.error !== undefined) throw item.error
    return item.ok
  })
}
