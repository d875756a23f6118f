import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import { authenticateEnvelope, envelopeFingerprint, parseEnvelope, signEnvelope, verifyEnvelope } from './envelope.ts'
import { errorResponseText, parseErrorResponse, WIRE_ERROR_CODES, WireError } from './errors.ts'
import { eventText } from './event.ts'
import { generateKeyPair, publicKeyFromDerBase64, publicKeyToDerBase64 } from './keys.ts'
import type { PayloadType } from './payload.ts'
import { payloadText } from './payload.ts'
import { parsePayload } from './payload-parser.ts'
import { asRid, nodeRid } from './rid.ts'

interface SignedThere {
  readonly source: { readonly rid: string; readonly public_key: string }
  readonly target: string
  readonly events: readonly { envelope: string; manifest: string; contents: string; hash: string }[]
  readonly payloads: readonly { type: PayloadType; envelope: string; payload: string }[]
}

const there = vectors<SignedThere>('envelopes')
const theirKey = publicKeyFromDerBase64(there.source.public_key)
const keys = generateKeyPair()
const publicKey = publicKeyToDerBase64(keys.publicKey)
const source = nodeRid('ours', publicKey)
const target = asRid('orn:koi-net.node:theirs+1')
const sign = (payload: string) => signEnvelope({ payloadText: payload, source, target }, keys.privateKey)
const SIGNED = sign('{"type":"poll_events","limit":0}')

describe('envelopes of the reference', () => {
  it('verify over the text received, and hold what was put in [ENV-1] [ENV-2]', () => {
    for (const { envelope, manifest, contents, hash } of there.events) {
      const parsed = parseEnvelope(Buffer.from(envelope))
      expect(parsed).toMatchObject({ source_node: there.source.rid, target_node: there.target })
      expect(parsed.receivedText).toBeUndefined()
      expect(verifyEnvelope(parsed, theirKey)).toBe(true)
      const [event] = parsePayload(parsed.payload, 'events_payload').events
      expect([event?.ok?.manifest?.text, event?.ok?.manifest?.sha256_hash, event?.ok?.contents?.text]).toEqual([
        manifest,
        hash,
        contents,
      ])
      expect(event?.ok && `{"type":"events_payload","events":[${eventText(event.ok)}]}`).toBe(parsed.payloadText)
    }
  })

  it('of every type are read, and printed again the same [ENV-3] [MSG-1]', () => {
    for (const { type, envelope, payload } of there.payloads) {
      const parsed = parseEnvelope(envelope)
      expect(verifyEnvelope(parsed, theirKey)).toBe(true)
      expect(parsed.payloadText).toBe(payload)
      expect(payloadText(onlyGood(parsePayload(parsed.payload, type)))).toBe(payload)
    }
    expect(new Set(there.payloads.map(({ type }) => type)).size).toBe(8)
  })
})

/** A received payload as one to send. */
function onlyGood(received: ReturnType<typeof parsePayload>): Parameters<typeof payloadText>[0] {
  const good = Object.entries(received).map(([name, value]) => [
    name,
    Array.isArray(value)
      ? value.map((item: unknown) => (typeof item === 'object' && item !== null && 'ok' in item ? item.ok : item))
      : (value as unknown),
  ])
  return Object.fromEntries(good) as Parameters<typeof payloadText>[0]
}

describe('envelopes', () => {
  it('are compact text with a raw signature in base64 [ENV-1] [ENV-2]', () => {
    const [, signature = ''] = /"signature":"([^"]*)"\}$/.exec(SIGNED) ?? []
    expect(SIGNED).toBe(
      `{"payload":{"type":"poll_events","limit":0},"source_node":"${source}","target_node":"${target}","signature":"${signature}"}`,
    )
    expect(Buffer.from(signature, 'base64')).toHaveLength(64)
    expect(parseEnvelope(SIGNED)).toMatchObject({
      payloadText: '{"type":"poll_events","limit":0}',
      source_node: source,
      target_node: target,
      signature,
      signedText: `{"payload":{"type":"poll_events","limit":0},"source_node":"${source}","target_node":"${target}"}`,
    })
    expect(verifyEnvelope(parseEnvelope(SIGNED), keys.publicKey)).toBe(true)
    expect(verifyEnvelope(parseEnvelope(SIGNED), theirKey)).toBe(false)
  })

  it('are good however they were laid out on their way, and whatever else was added [ENV-3]', () => {
    const laidOut = `{ "signature" : "${parseEnvelope(SIGNED).signature}",\n"more":[1.50],"target_node":"${target}" , "source_node":"\\u006f${source.slice(1)}","payload":{"type":"poll_events", "limit":0}}`
    const parsed = parseEnvelope(laidOut)
    expect(verifyEnvelope(parsed, keys.publicKey)).toBe(true)
    expect(parsed.signedText).toBe(parseEnvelope(SIGNED).signedText)
    expect(parsed.receivedText).toContain('"type":"poll_events", "limit"')
  })

  it('verify over the very text received, when a sender signed what the reference would not print', () => {
    const odd = sign('{"type":"poll_events","limit": 0}')
    expect(parseEnvelope(odd).signedText).not.toContain(' ')
    expect(verifyEnvelope(parseEnvelope(odd), keys.publicKey)).toBe(true)
  })

  it('are refused after any change of what is signed [ENV-4]', () => {
    const { signature, signedText } = parseEnvelope(SIGNED)
    fc.assert(
      fc.property(
        fc.nat(signedText.length - 1),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
        (index, put) => {
          const changed = signedText.slice(0, index) + put + signedText.slice(index + 1)
          let parsed
          try {
            parsed = parseEnvelope(`${changed.slice(0, -1)},"signature":"${signature}"}`)
          } catch {
            return
          }
          expect(verifyEnvelope(parsed, keys.publicKey)).toBe(parsed.signedText === signedText)
        },
      ),
    )
  })

  it.each(['', 'AAAA', '!', `${'A'.repeat(86)}==`, `${'/'.repeat(85)}w==`, `${'A'.repeat(85)}B==`])(
    'with the signature %j are refused [ENV-4]',
    (signature) => {
      const changed = SIGNED.replace(/"signature":"[^"]*"/, `"signature":"${signature}"`)
      expect(verifyEnvelope(parseEnvelope(changed), keys.publicKey)).toBe(false)
    },
  )

  it('are refused with another base64 text of the same signature [ENV-4]', () => {
    const { signature } = parseEnvelope(SIGNED)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
    // The last of 86 characters carries two bits; the four behind them are nobody's.
    const other = `${signature.slice(0, 85)}${alphabet.charAt(alphabet.indexOf(signature.charAt(85)) + 1)}==`
    expect(Buffer.from(other, 'base64')).toEqual(Buffer.from(signature, 'base64'))
    for (const text of [other, signature.slice(0, 86), `${signature} `, signature.replaceAll('+', '-')]) {
      const changed = parseEnvelope(SIGNED.replace(signature, text))
      expect(verifyEnvelope(changed, keys.publicKey)).toBe(text === signature)
    }
  })

  it.each([
    ['', /^is not JSON/],
    ['[]', 'must be an object, is an array'],
    ['{"payload":{}}', 'source_node: is missing'],
    [SIGNED.replace('{"payload"', '{"signature":"x","payload"'), 'has the same name twice in one object'],
    [SIGNED.replace('"payload"', '"pay"'), 'payload: is missing'],
    [SIGNED.replace(source, 'orn:a:b'), 'source_node: must be a node\'s RID (orn:koi-net.node:…), is "orn:a:b"'],
    [SIGNED.replace(target, 'nothing'), 'target_node: "nothing" is no RID'],
    [SIGNED.replace(/"signature":"[^"]*"/, '"signature":5'), 'signature: must be a string, is a number'],
    [SIGNED.replace(target, '\\ud800'), 'target_node: has half a surrogate pair'],
  ])('that are none are malformed: %# [ENV-6]', (text, message) => {
    expect(() => parseEnvelope(text)).toThrow(message)
  })

  it('are read up to 200 levels, and one event deeper than that costs only itself [ENV-7]', () => {
    const events = (levels: number) =>
      sign(
        `{"type":"events_payload","events":[{"rid":"a:b","event_type":"NEW","contents":{"x":${'['.repeat(levels)}${']'.repeat(levels)}}},{"rid":"a:c","event_type":"FORGET"}]}`,
      )
    const errors = (levels: number) =>
      parsePayload(parseEnvelope(events(levels)).payload, 'events_payload').events.map(({ error }) => error?.code)
    expect(errors(195)).toEqual([undefined, undefined])
    expect(errors(196)).toEqual(['too_deep', undefined])
  })

  it('are known again though s is negated, spaces are added, or another signature is not [ENV-8]', () => {
    const parsed = parseEnvelope(SIGNED)
    const raw = Buffer.from(parsed.signature, 'base64')
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    const negated = order - BigInt(`0x${raw.subarray(32).toString('hex')}`)
    const flipped = Buffer.concat([
      raw.subarray(0, 32),
      Buffer.from(negated.toString(16).padStart(64, '0'), 'hex'),
    ]).toString('base64')
    const replay = parseEnvelope(SIGNED.replace(parsed.signature, flipped))
    expect(verifyEnvelope(replay, keys.publicKey)).toBe(true)
    expect(envelopeFingerprint(replay)).toBe(envelopeFingerprint(parsed))
    expect(envelopeFingerprint(parseEnvelope(SIGNED.replace(':0', ' : 0')))).toBe(envelopeFingerprint(parsed))
    expect(envelopeFingerprint(parseEnvelope(sign('{"type":"poll_events","limit":0}')))).not.toBe(
      envelopeFingerprint(parsed),
    )
  })
})

describe('refusals', () => {
  const stranger = publicKeyToDerBase64(generateKeyPair().publicKey)
  const codeOf = (envelope: string, key: string | undefined, self = target) => {
    try {
      authenticateEnvelope(parseEnvelope(envelope), key, self)
      return 'accepted'
    } catch (error) {
      return error instanceof WireError ? error.code : error
    }
  }
  const spoiled = SIGNED.replace('"limit":0', '"limit":1')
  const notAKey = 'AAAA'

  it('come in the order of the protocol [ENV-5]', () => {
    expect(codeOf(SIGNED, publicKey)).toBe('accepted')
    expect(codeOf(spoiled, undefined, source)).toBe('unknown_node')
    expect(codeOf(spoiled, stranger, source)).toBe('invalid_key')
    expect(codeOf(spoiled, publicKey, source)).toBe('invalid_signature')
    expect(codeOf(SIGNED, publicKey, source)).toBe('invalid_target')
    expect(
      codeOf(signEnvelope({ payloadText: '{}', source: nodeRid('n', notAKey), target }, keys.privateKey), notAKey),
    ).toBe('invalid_key')
  })

  it('look at the key of each sender, also when it was read before', () => {
    const other = generateKeyPair()
    const otherKey = publicKeyToDerBase64(other.publicKey)
    const from = (privateKey: typeof other.privateKey) =>
      signEnvelope({ payloadText: '{}', source: nodeRid('other', otherKey), target }, privateKey)
    for (let time = 0; time < 2; time++) {
      expect(codeOf(from(other.privateKey), otherKey)).toBe('accepted')
      expect(codeOf(from(keys.privateKey), otherKey)).toBe('invalid_signature')
      expect(codeOf(SIGNED, publicKey)).toBe('accepted')
    }
  })

  it('are told bare [ERR-1]', () => {
    expect(errorResponseText('unknown_node')).toBe('{"type":"error_response","error":"unknown_node"}')
    for (const code of WIRE_ERROR_CODES) expect(parseErrorResponse(errorResponseText(code))).toBe(code)
    const others = ['', 'null', '{"error":"other"}', '{"type":"x","error":"unknown_node"}', '{"detail":[]}']
    expect(others.map(parseErrorResponse)).toEqual(others.map(() => undefined))
  })
})
