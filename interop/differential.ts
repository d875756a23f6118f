/**
 * Random contents bundled and signed by the Python reference and read here, and the other way round; the two must agree on every
 * hash, on every text, and on which envelopes are good.
 *
 *     node --conditions=@koi-mcp/source interop/differential.ts [--count 5000] [--seed N]
 */
import { parseArgs } from 'node:util'

import {
  asRid,
  contentsOf,
  eventFromBundle,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  microsOf,
  nodeRid,
  parseContents,
  parseEnvelope,
  parsePayload,
  payloadText,
  ProtocolError,
  publicKeyFromDerBase64,
  publicKeyToDerBase64,
  sha256Contents,
  signEnvelope,
  verifyEnvelope,
} from '@koi-mcp/protocol'
import type { KoiEvent } from '@koi-mcp/protocol'

import { Random, randomContents } from './random-json.ts'
import { findReference, ReferenceProcess } from './reference-process.ts'

const BATCH = 100
const keys = generateKeyPair()
const ourKey = publicKeyToDerBase64(keys.publicKey)
const ourNode = nodeRid('ours', ourKey)
const rid = asRid('orn:interop.random:1')

interface Difference {
  readonly kind: string
  readonly contents: string
  readonly detail: string
}

interface Report {
  /** Judgements compared: envelopes, hashes and texts. */
  compared: number
  /** Envelopes changed by hand that the reference takes and we do not: it skips what is not base64 and fills in a missing `type`. */
  stricter: number
  readonly differences: Difference[]
}

/** One batch of random contents in every direction. */
async function compareBatch(reference: ReferenceProcess, random: Random, count: number, report: Report): Promise<void> {
  const theirs = await reference.ask('node', { name: 'python' })
  const theirNode = asRid(theirs.rid)
  const theirKey = publicKeyFromDerBase64(theirs.public_key)
  const say = (kind: string, contents: string, detail: string) => report.differences.push({ kind, contents, detail })
  const expect = (kind: string, contents: string, actual: string | undefined, expected: string | undefined) => {
    report.compared++
    if (actual !== expected) say(kind, contents, `here ${actual}\n    there ${expected}`)
  }

  const texts = Array.from({ length: count }, () => randomContents(random, random.chance(0.3)))
  const signed = await reference.askAll(
    'sign_contents',
    texts.map((contents) => ({ rid, contents, target: ourNode })),
  )

  const judged: { kind: string; contents: string; envelope: string; key: string }[] = []
  for (const [index, contents] of texts.entries()) {
    const answer = signed[index]
    if (answer?.ok === undefined) {
      say('the reference refused the contents', contents, answer?.error ?? '')
      continue
    }
    // Signed there, read here.
    const { event, verified } = readEvent(answer.ok.envelope, theirKey)
    expect('signature made there', contents, String(verified), 'true')
    expect('contents as printed there', contents, event?.contents?.text, answer.ok.contents)
    expect('manifest as printed there', contents, event?.manifest?.text, answer.ok.manifest)
    expect('the same contents read here', contents, parseContents(contents).text, answer.ok.contents)
    expect('hash', contents, sha256Contents(parseContents(contents).value), answer.ok.hash)
    // Relayed from here, read there.
    if (event !== undefined) judged.push({ kind: 'relay', contents, envelope: ours(event, theirNode), key: ourKey })
    // Our own object, signed here, read there.
    const own = generateBundle(
      rid,
      contentsOf(JSON.parse(contents) as object),
      formatTimestamp(microsOf(new Date()) + BigInt(random.below(1e6))),
    )
    judged.push({ kind: 'own', contents, envelope: ours(eventFromBundle('UPDATE', own), theirNode), key: ourKey })
    // Laid out anew on its way: still good. One character changed: not good here unless it is there.
    judged.push({ kind: 'laid out', contents, envelope: layOut(answer.ok.envelope), key: theirs.public_key })
    judged.push({ kind: 'changed', contents, envelope: mutate(random, answer.ok.envelope), key: theirs.public_key })
  }

  const verdicts = await reference.askAll(
    'verify',
    judged.map(({ envelope, key }) => ({ envelope, key, type: 'events_payload' })),
  )
  for (const [index, { kind, contents, envelope, key }] of judged.entries()) {
    const verdict = verdicts[index]?.ok
    const here = judge(envelope, publicKeyFromDerBase64(key))
    if (kind === 'changed') {
      report.compared++
      const there = verdict?.client === 'accepted' || verdict?.server === 'accepted'
      if (here === 'accepted' && !there) say('a changed envelope is good here alone', contents, envelope)
      if (here !== 'accepted' && there) report.stricter++
      continue
    }
    expect(`${kind}: here`, contents, here, 'accepted')
    expect(`${kind}: client`, contents, verdict?.client, 'accepted')
    expect(`${kind}: server`, contents, verdict?.server, 'accepted')
    const sent = parseEnvelope(envelope)
    expect(`${kind}: text printed again`, contents, sent.payloadText, verdict?.payload)
    const [item] = parsePayload(sent.payload, 'events_payload').events
    expect(`${kind}: hash`, contents, item?.ok?.manifest?.sha256_hash, verdict?.hashes?.[0])
  }
}

function ours(event: KoiEvent, target: typeof rid): string {
  return signEnvelope(
    { payloadText: payloadText({ type: 'events_payload', events: [event] }), source: ourNode, target },
    keys.privateKey,
  )
}

function readEvent(envelope: string, key: typeof keys.publicKey): { event: KoiEvent | undefined; verified: boolean } {
  const parsed = parseEnvelope(Buffer.from(envelope))
  const [item] = parsePayload(parsed.payload, 'events_payload').events
  return { event: item?.ok, verified: parsed.receivedText === undefined && verifyEnvelope(parsed, key) }
}

function judge(envelope: string, key: typeof keys.publicKey): 'accepted' | 'refused' | 'malformed' {
  try {
    return verifyEnvelope(parseEnvelope(envelope), key) ? 'accepted' : 'refused'
  } catch (error) {
    if (error instanceof ProtocolError) return 'malformed'
    throw error
  }
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

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { count: { type: 'string', default: '5000' }, seed: { type: 'string' } } })
  const count = Number(values.count)
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32))
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) {
    console.error('usage: differential.ts [--count N] [--seed N]')
    return 2
  }
  const found = findReference()
  if ('missing' in found) {
    console.error(`differential test skipped: ${found.missing}`)
    return process.env['CI'] === 'true' ? 1 : 0
  }
  console.log(`differential: ${count} random contents, --seed ${seed}`)
  const reference = new ReferenceProcess(found.python)
  const random = new Random(seed)
  const report: Report = { compared: 0, stricter: 0, differences: [] }
  try {
    for (let done = 0; done < count; done += BATCH) {
      await compareBatch(reference, random, Math.min(BATCH, count - done), report)
    }
  } finally {
    await reference.close()
  }
  for (const { kind, contents, detail } of report.differences.slice(0, 10)) {
    console.error(`- ${kind}\n    contents ${contents.slice(0, 500)}\n    ${detail.slice(0, 1500)}`)
  }
  console.log(
    `differential: ${report.compared} comparisons, ${report.differences.length} differences (${report.stricter} changed by hand refused here alone)`,
  )
  return report.differences.length === 0 ? 0 : 1
}

process.exitCode = await main()
