/** Envelopes as both sides judge them. */
import type { KeyObject } from 'node:crypto'
import {
  generateKeyPair,
  nodeRid,
  parseEnvelope,
  parsePayload,
  ProtocolError,
  publicKeyFromDerBase64,
  publicKeyToDerBase64,
  signEnvelope,
  verifyEnvelope,
} from '@koi-mcp/protocol'
import type { PayloadType, Rid } from '@koi-mcp/protocol'
import type { Random } from '../random-json.ts'
import type { ReferenceProcess } from '../reference-process.ts'
import type { Report } from './report.ts'

const keys = generateKeyPair()
const OUR_KEY = publicKeyToDerBase64(keys.publicKey)
export const OUR_NODE = nodeRid('ours', OUR_KEY)

/** The reference's node: who signs there. */
export interface Theirs {
  readonly rid: Rid
  readonly key: string
}

export interface Judged {
  /** `changed`: good here only if it is there; every other kind is good on both sides. */
  readonly kind: 'relayed' | 'own' | 'laid out' | 'changed'
  readonly type: PayloadType
  readonly input: string
  readonly envelope: string
  readonly key: string
}

/** A payload's text, signed here and meant for them. */
export function ours(kind: 'relayed' | 'own', type: PayloadType, input: string, text: string, to: Theirs): Judged {
  const envelope = signEnvelope({ payloadText: text, source: OUR_NODE, target: to.rid }, keys.privateKey)
  return { kind, type, input, envelope, key: OUR_KEY }
}

/** An envelope of theirs, laid out anew on its way, and with one character changed. */
export function disturbed(random: Random, type: PayloadType, input: string, envelope: string, key: string): Judged[] {
  return [
    { kind: 'laid out', type, input, envelope: layOut(envelope), key },
    { kind: 'changed', type, input, envelope: mutate(random, envelope), key },
  ]
}

/** Asks them about all, and compares with what is said here. */
export async function compareVerdicts(
  reference: ReferenceProcess,
  judged: readonly Judged[],
  report: Report,
): Promise<void> {
  const verdicts = await reference.askAll(
    'verify',
    judged.map(({ envelope, key, type }) => ({ envelope, key, type })),
  )
  for (const [index, { kind, type, input, envelope, key }] of judged.entries()) {
    const verdict = verdicts[index]?.ok
    const here = judge(envelope, keyOf(key))
    if (kind === 'changed') {
      report.compared++
      const there = verdict?.client === 'accepted' || verdict?.server === 'accepted'
      if (here === 'accepted' && !there) report.differ('a changed envelope is good here alone', input, envelope)
      if (here !== 'accepted' && there) report.stricter++
      continue
    }
    report.expect(`${kind}: here`, input, here, 'accepted')
    report.expect(`${kind}: client`, input, verdict?.client, 'accepted')
    report.expect(`${kind}: server`, input, verdict?.server, 'accepted')
    const sent = parseEnvelope(envelope)
    report.expect(`${kind}: text printed again`, input, sent.payloadText, verdict?.payload)
    if (type === 'events_payload') {
      const hashes = parsePayload(sent.payload, type).events.flatMap(({ ok }) =>
        ok?.contents === undefined ? [] : [ok.manifest?.sha256_hash],
      )
      report.expect(`${kind}: hashes`, input, String(hashes), String(verdict?.hashes))
    }
  }
}

/** Whether an envelope, as printed by its sender, is good here. */
export function verifiesAsSent(envelope: string, key: string): boolean {
  const parsed = parseEnvelope(Buffer.from(envelope))
  return parsed.receivedText === undefined && verifyEnvelope(parsed, keyOf(key))
}

function judge(envelope: string, key: KeyObject): 'accepted' | 'refused' | 'malformed' {
  try {
    return verifyEnvelope(parseEnvelope(envelope), key) ? 'accepted' : 'refused'
  } catch (error) {
    if (error instanceof ProtocolError) return 'malformed'
    throw error
  }
}

const opened = new Map<string, KeyObject>()

function keyOf(text: string): KeyObject {
  const key = opened.get(text) ?? publicKeyFromDerBase64(text)
  opened.set(text, key)
  return key
}

/** The same JSON with spaces between its parts and everything but ASCII escaped. */
function layOut(envelope: string): string {
  return envelope
    .replace(/"[^"\\]*(?:\\.[^"\\]*)*"|[,:{}[\]]/g, (token) => (token.length === 1 ? ` ${token}\n` : token))
    .replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Changes one character. */
function mutate(random: Random, envelope: string): string {
  const at = random.below(envelope.length)
  const put = random.pick([' ', '0', '1', 'a', '"', '\\', '.', 'e', ',', '', '\n', '\u00a0'])
  const changed = `${envelope.slice(0, at)}${put}${envelope.slice(random.chance(0.5) ? at : at + 1)}`
  return changed.isWellFormed() ? changed : envelope
}
