/**
 * Signed envelopes (koi-net 2.1.0, `koi_net.protocol.envelope`): `{"payload","source_node","target_node","signature"}`, where the
 * signature is ECDSA P-256 with SHA-256, raw r||s in base64, over `{"payload":…,"source_node":…,"target_node":…}`.
 *
 * The reference verifies the text that it prints after reading the envelope. For an envelope of the reference that is the text
 * received; so it is the text received that is verified here, and where that fails, the text as the reference would print it
 * (an envelope that was indented on its way is still good).
 */
import { createHash, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { ProtocolError, WireError } from './errors.ts'
import { membersOf, required, stringOf } from './fields.ts'
import type { Members } from './fields.ts'
import { stringText } from './json-print.ts'
import { decodeUtf8, scanJson } from './json-text.ts'
import type { JsonLimits, JsonNode } from './json-text.ts'
import { referenceText } from './json-tokens.ts'
import { publicKeyFromDerBase64 } from './keys.ts'
import { isKeyOfNode, NODE_TYPE_NAME, parseRid } from './rid.ts'
import type { Rid } from './rid.ts'

/** Who says to have signed what, and for whom. */
export interface SignedClaim {
  readonly source_node: Rid
  readonly target_node: Rid
  /** Base64 of 64 bytes, r||s, if the sender is honest. */
  readonly signature: string
  /** The text that the signature should cover, as the reference prints it; or its UTF-8. */
  readonly signedText: string | Uint8Array
  /** The same as it was received, where that differs. */
  readonly receivedText?: string | Uint8Array
}

/** What somebody sent; nothing in it has been verified. */
export interface UnverifiedEnvelope extends SignedClaim {
  /** For `parsePayload`. */
  readonly payload: JsonNode
  readonly payloadText: string
  readonly signedText: string
  readonly receivedText?: string
}

export interface EnvelopeParts {
  /** From `payloadText()`. */
  readonly payloadText: string
  readonly source: Rid
  readonly target: Rid
}

const SIGNATURE_BYTES = 64
/** Order of the P-256 group (FIPS 186-5, SP 800-186 section 3.2.1.3). */
const GROUP_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** Signs, and returns the whole envelope's text: the body to send. */
export function signEnvelope(parts: EnvelopeParts, privateKey: KeyObject): string {
  const fields = `{"payload":${parts.payloadText},"source_node":${stringText(parts.source)},"target_node":${stringText(parts.target)}`
  const signature = sign('sha256', Buffer.from(`${fields}}`, 'utf8'), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${fields},"signature":"${signature.toString('base64')}"}`
}

/** @throws ProtocolError for what is no envelope; what its payload's lists hold is not looked at here */
export function parseEnvelope(input: string | Uint8Array, limits: JsonLimits = {}): UnverifiedEnvelope {
  const text = typeof input === 'string' ? input : decodeUtf8(input)
  const received = scanJson(text, limits)
  const receivedFields = membersOf(received.node, '')
  const fields = received.canonical ? receivedFields : membersOf(scanJson(referenceText(text), limits).node, '')
  const payload = required(fields, 'payload', '')
  const envelope = {
    payload,
    payloadText: payload.text,
    source_node: nodeOf(fields, 'source_node'),
    target_node: nodeOf(fields, 'target_node'),
    signature: stringOf(required(fields, 'signature', ''), 'signature'),
    signedText: signedTextOf(fields),
  }
  const receivedText = signedTextOf(receivedFields)
  return receivedText === envelope.signedText ? envelope : { ...envelope, receivedText }
}

/** Whether the signature is that key's. Never throws. */
export function verifyEnvelope(envelope: SignedClaim, publicKey: KeyObject): boolean {
  const signature = signatureBytes(envelope)
  if (signature === undefined) return false
  const texts =
    envelope.receivedText === undefined ? [envelope.signedText] : [envelope.receivedText, envelope.signedText]
  return texts.some((text) =>
    verify(
      'sha256',
      typeof text === 'string' ? Buffer.from(text, 'utf8') : text,
      { key: publicKey, dsaEncoding: 'ieee-p1363' },
      signature,
    ),
  )
}

/**
 * All that the protocol asks of an envelope, in its order: the sender is known, its key is the one its RID names, the signature
 * is that key's, and the envelope is meant for this node.
 *
 * @param publicKeyBase64 the key in the sender's profile; undefined when no profile is known
 * @throws WireError to answer with
 */
export function authenticateEnvelope(envelope: SignedClaim, publicKeyBase64: string | undefined, self: Rid): void {
  const { source_node: source, target_node: target } = envelope
  if (publicKeyBase64 === undefined) throw new WireError('unknown_node', `no profile of ${source} is known`)
  if (!isKeyOfNode(source, publicKeyBase64))
    throw new WireError('invalid_key', `the key in the profile of ${source} is not the one its RID names`)
  if (!verifyEnvelope(envelope, keyOf(publicKeyBase64, source))) {
    throw new WireError('invalid_signature', `the signature of an envelope from ${source} does not verify`)
  }
  if (target !== self) throw new WireError('invalid_target', `an envelope from ${source} is meant for ${target}`)
}

/**
 * Names a signed text and its signature, to know a replay by: SHA-256 in hex over the text and r||min(s, n−s), for a signature
 * with s negated verifies too. Of the signed text as the reference prints it, so that spaces make no new envelope.
 */
export function envelopeFingerprint(envelope: SignedClaim): string {
  const signature = signatureBytes(envelope) ?? Buffer.alloc(SIGNATURE_BYTES)
  const s = BigInt(`0x${signature.subarray(32).toString('hex')}`)
  const lowS = s > GROUP_ORDER / 2n ? GROUP_ORDER - s : s
  const hash = createHash('sha256').update(envelope.signedText).update(signature.subarray(0, 32))
  return hash.update(Buffer.from(lowS.toString(16).padStart(64, '0'), 'hex')).digest('hex')
}

/** Undefined for anything but the one base64 text of 64 bytes. */
function signatureBytes({ signature }: SignedClaim): Buffer | undefined {
  const bytes = Buffer.from(signature, 'base64')
  return bytes.length === SIGNATURE_BYTES && bytes.toString('base64') === signature ? bytes : undefined
}

function signedTextOf(fields: Members): string {
  const parts = ['payload', 'source_node', 'target_node'].map((name) => `"${name}":${fields.get(name)?.text}`)
  return `{${parts.join(',')}}`
}

function nodeOf(fields: Members, name: string): Rid {
  const { rid, type } = parseRid(stringOf(required(fields, name, ''), name), name)
  if (type !== NODE_TYPE_NAME)
    throw new ProtocolError(name, `must be a node's RID (${NODE_TYPE_NAME}:…), is ${JSON.stringify(rid)}`)
  return rid
}

/** Reading a key costs several times what verifying with it does, and few nodes send most envelopes. */
const readKeys = new Map<string, KeyObject>()
const MAX_READ_KEYS = 1_000

function keyOf(publicKeyBase64: string, source: Rid): KeyObject {
  const known = readKeys.get(publicKeyBase64)
  if (known !== undefined) return known
  try {
    const key = publicKeyFromDerBase64(publicKeyBase64)
    if (readKeys.size >= MAX_READ_KEYS) readKeys.clear()
    readKeys.set(publicKeyBase64, key)
    return key
  } catch {
    throw new WireError('invalid_key', `the key in the profile of ${source} is no P-256 key`)
  }
}
