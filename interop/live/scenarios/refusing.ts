/** The four errors, in their order: whatever else is wrong with an envelope, the first of them is the answer. */
import { expect } from 'vitest'
import { contentsOf, nodeProfileContents, nodeRid } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import { eventsText, HandNode, pathOf, post } from '../hand-node.ts'
import { until } from '../network.ts'
import type { Pair } from '../network.ts'
import type { Target } from '../side.ts'

const ELSEWHERE = nodeRid('elsewhere', 'no key')
const SPOILT = { signature: true, target: true } as const
interface Wrong {
  readonly sender?: 'unknown' | 'another key'
  readonly signature?: true
  readonly target?: true
}

/** Every combination, and its answer; on a right envelope none. */
const CASES: readonly (readonly [Wrong, string | undefined])[] = [
  ...combined('unknown', 'unknown_node'),
  ...combined('another key', 'invalid_key'),
  [{ signature: true, target: true }, 'invalid_signature'],
  [{ signature: true }, 'invalid_signature'],
  [{ target: true }, 'invalid_target'],
  [{}, undefined],
]

function combined(sender: NonNullable<Wrong['sender']>, answer: string): (readonly [Wrong, string])[] {
  return [SPOILT, { signature: true }, { target: true }, {}].map((wrong) => [{ sender, ...wrong } as Wrong, answer])
}

export async function errorsInTheirOrder({ provider }: Pair): Promise<void> {
  const known = new HandNode('known')
  expect(await known.send(provider, 'events_payload', known.handshake())).toEqual({ status: 200, body: 'null' })
  await until('it is known', async () => (await provider.contents(known.rid)) !== undefined)
  for (const [wrong, error] of CASES) {
    const answers = await answersTo(provider, wrong, known)
    const expected = error === undefined ? undefined : { status: 400, body: { type: 'error_response', error } }
    for (const { status, body } of answers) {
      const where = `${provider.maker}: ${JSON.stringify(wrong)}`
      if (expected === undefined) expect([where, status]).toEqual([where, 200])
      else expect([where, { status, body: JSON.parse(body) as unknown }]).toEqual([where, expected])
    }
  }
  await known.send(provider, 'events_payload', eventsText([`{"rid":"${known.rid}","event_type":"FORGET"}`]))
  await until('it is gone again', async () => (await provider.contents(known.rid)) === undefined)
}

/** On every path; a key can only be wrong where a stranger tells it, with events. */
async function answersTo(to: Target, wrong: Wrong, known: HandNode) {
  const stranger = wrong.sender === undefined ? known : new HandNode('stranger')
  const events = wrong.sender === 'another key' ? [stranger.introduction(anothersKey())] : []
  const payloads = [
    ['events_payload', eventsText(events)],
    ...(wrong.sender === 'another key'
      ? []
      : ([
          ['poll_events', '{"type":"poll_events","limit":0}'],
          ['fetch_rids', '{"type":"fetch_rids","rid_types":["orn:interop.nothing"]}'],
          ['fetch_manifests', '{"type":"fetch_manifests","rid_types":["orn:interop.nothing"],"rids":[]}'],
          ['fetch_bundles', '{"type":"fetch_bundles","rids":[]}'],
        ] as const)),
  ] as const
  const target: Rid = wrong.target === true ? ELSEWHERE : to.rid
  return Promise.all(
    payloads.map(([type, text]) => {
      const envelope = stranger.sign(text, target)
      return post(to.url + pathOf(type), wrong.signature === true ? spoilt(envelope) : envelope)
    }),
  )
}

function anothersKey() {
  const { publicKey, profile } = new HandNode('another')
  return contentsOf(nodeProfileContents({ ...profile, public_key: publicKey }).value)
}

/** Another signature of the right length: that of nothing. */
function spoilt(envelope: string): string {
  return envelope.replace(/"signature":"[^"]+"/, `"signature":"${Buffer.alloc(64, 1).toString('base64')}"`)
}
