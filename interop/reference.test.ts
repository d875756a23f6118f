/** The pieces of the wire format, one by one, against the Python reference itself. */
import { sign, verify } from 'node:crypto'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  asRid,
  canonicalTimestamp,
  contentsOf,
  edgeProfileContents,
  edgeRid,
  eventFromBundle,
  eventFromManifest,
  forgetEvent,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  isRid,
  nodeProfileContents,
  nodeRid,
  parseBundle,
  parseManifest,
  parseRid,
  payloadText,
  privateKeyFromPem,
  privateKeyToPem,
  publicKeyFromDerBase64,
  publicKeyOf,
  publicKeyToDerBase64,
  referenceRidProblem,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Payload } from '@koi-mcp/protocol'

import { Random } from './random-json.ts'
import { findReference, ReferenceProcess } from './reference-process.ts'

const found = findReference()
const missing = 'missing' in found ? found.missing : undefined
if (missing !== undefined) console.warn(`the tests against the Python reference are skipped: ${missing}`)
const SEED = Math.floor(Math.random() * 2 ** 32)

describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(`the Python reference (seed ${SEED})`, () => {
  let reference: ReferenceProcess
  const random = new Random(SEED)
  const keys = generateKeyPair()
  const publicKey = publicKeyToDerBase64(keys.publicKey)
  const source = nodeRid('ours', publicKey)
  const target = asRid('orn:koi-net.node:theirs+1')

  beforeAll(() => {
    if ('missing' in found) throw new Error(found.missing)
    reference = new ReferenceProcess(found.python)
  })
  afterAll(() => reference.close())

  it('opens our private keys, and we open its [KEY-1]', async () => {
    for (const password of ['p', 'pässword 鍵 😀', ' '.repeat(200)]) {
      const message = 'signed with the opened key: é'
      const pem = privateKeyToPem(keys.privateKey, password)
      const opened = await reference.ask('open_pem', { pem, password, message })
      expect(opened.public_key).toBe(publicKey)
      const key = { key: keys.publicKey, dsaEncoding: 'ieee-p1363' } as const
      expect(verify('sha256', Buffer.from(message), key, Buffer.from(opened.signature, 'base64'))).toBe(true)

      const theirs = await reference.ask('make_pem', { password })
      const privateKey = privateKeyFromPem(theirs.pem, password)
      expect(publicKeyToDerBase64(publicKeyOf(privateKey))).toBe(theirs.public_key)
      const signature = sign('sha256', Buffer.from(message), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      const asked = { key: theirs.public_key, signature: signature.toString('base64'), message }
      await expect(reference.ask('verify_message', asked)).resolves.toEqual({})
    }
    const pem = privateKeyToPem(keys.privateKey, 'p')
    await expect(reference.ask('open_pem', { pem, password: 'q', message: '' })).rejects.toThrow(/ValueError/)
  })

  it('takes every payload that we sign, and prints it again the same [ENV-3] [MSG-1]', async () => {
    const rid = asRid('orn:a.b:é "\u0001" 😀')
    const bundle = generateBundle(
      rid,
      contentsOf({ n: 1.5e-6, s: '\u2028', i: 2n ** 70n }),
      formatTimestamp(1_700_000_000_120_000n),
    )
    const whole = generateBundle(
      asRid('x:y'),
      contentsOf({ '2': 1, '1': null }),
      formatTimestamp(1_700_000_000_000_000n),
    )
    const payloads: Payload[] = [
      {
        type: 'events_payload',
        events: [forgetEvent(source), eventFromBundle('NEW', bundle), eventFromManifest('UPDATE', whole.manifest)],
      },
      { type: 'events_payload', events: [] },
      { type: 'poll_events', limit: 0 },
      { type: 'poll_events', limit: 7 },
      { type: 'fetch_rids', rid_types: [] },
      { type: 'fetch_rids', rid_types: ['orn:koi-net.node', 'https'] },
      { type: 'fetch_manifests', rid_types: ['orn:a.b'], rids: [rid] },
      { type: 'fetch_bundles', rids: [rid, whole.manifest.rid] },
      { type: 'rids_payload', rids: [rid] },
      { type: 'manifests_payload', manifests: [bundle.manifest, whole.manifest], not_found: [rid] },
      { type: 'bundles_payload', bundles: [bundle, whole], not_found: [], deferred: [rid] },
    ]
    for (const payload of payloads) {
      const text = payloadText(payload)
      const envelope = signEnvelope({ payloadText: text, source, target }, keys.privateKey)
      const verdict = await reference.ask('verify', { envelope, key: publicKey, type: payload.type })
      expect(verdict).toMatchObject({ client: 'accepted', server: 'accepted', payload: text })
    }
  })

  it('makes the same profiles, edges and names [NODE-1] [EDGE-1] [RID-5] [RID-6]', async () => {
    const { rid, public_key } = await reference.ask('node', { name: 'a name' })
    expect(nodeRid('a name', public_key)).toBe(rid)
    const base_url = 'http://127.0.0.1:8000/koi-net'
    const provides = { event: ['orn:a.b'], state: ['https'] }
    for (const profile of [
      { base_url, node_type: 'FULL', provides, public_key } as const,
      { node_type: 'PARTIAL', provides, public_key } as const,
    ]) {
      const { text } = nodeProfileContents(profile)
      expect(await reference.ask('profile', { model: 'node', text })).toEqual({ contents: text })
    }
    const edge = await reference.ask('edge', { source: rid, target, rid_types: ['orn:a.b'], edge_type: 'POLL' })
    expect(edgeRid(asRid(rid), target)).toBe(edge.rid)
    const ours = edgeProfileContents({
      source: asRid(rid),
      target,
      edge_type: 'POLL',
      status: 'PROPOSED',
      rid_types: ['orn:a.b'],
    })
    expect(parseBundle(edge.bundle).contents.text).toBe(ours.text)
    expect(await reference.ask('profile', { model: 'edge', text: ours.text })).toEqual({ contents: ours.text })
  })

  it('reads the same texts as RIDs, and in the same parts [RID-1] [RID-2] [RID-3]', async () => {
    const part = () =>
      random.pick(['', 'orn', 'urn', 'ORN', 'x', 'a.b', 'koi-net.node', 'n+h', ' ', '\n', 'é', '😀', '..', '%3A', '+'])
    const texts = Array.from({ length: 2000 }, () => Array.from({ length: 1 + random.below(5) }, part).join(':'))
    const answers = await reference.askAll(
      'read_rid',
      texts.map((text) => ({ text })),
    )
    const ours = texts.map((text) => {
      if (!isRid(text)) return undefined
      const { rid, type, reference: rest } = parseRid(text)
      return { rid, type, reference: rest }
    })
    expect(ours).toEqual(answers.map(({ ok }) => ok))
    expect(ours.filter((parts) => parts !== undefined).length).toBeGreaterThan(500)
  })

  // Brackets outside of an IPv6 address are another matter in every release of Python; they are refused here.
  it('takes RIDs of its own types when we say that it can, and those alone', async () => {
    const types = [
      'http',
      'https',
      'orn:slack.channel',
      'orn:slack.user',
      'orn:slack.usergroup',
      'orn:slack.message',
      'orn:slack.workspace',
      'orn:discord.message',
      'orn:discord.user',
      'orn:google_drive.export',
      'orn:google_drive.file',
      'orn:hackmd.note',
      'orn:github.repo',
      'orn:github.commit',
      'orn:github.event',
      'orn:github.issue',
      'orn:github.pr',
      'orn:normalized.text',
      'orn:vector',
      'orn:search.query',
    ]
    const part = () =>
      random.pick([
        '/',
        '/',
        '//',
        ':',
        ':',
        '?',
        '#',
        'a',
        'B.c',
        '7',
        '0',
        '-1',
        '007',
        '1_0',
        ' 1',
        '@',
        '\t',
        '\n',
        ' ',
        'é',
        '℀',
        '％',
        'x:y',
        'orn:a:b',
        'https://a/b',
      ])
    const texts = Array.from({ length: 6000 }, () => {
      const type = random.pick(types)
      const start =
        type.startsWith('http') && random.chance(0.8)
          ? random.pick(['//a.org', '//[::1]/'])
          : random.pick(['', 'o/r:', 'o/r'])
      return `${type}:${start}${Array.from({ length: random.below(6) }, part).join('')}`
    })
    const answers = await reference.askAll(
      'read_rid',
      texts.map((text) => ({ text })),
    )
    const theirs = texts.map((text, index) => [text, answers[index]?.ok?.rid === text])
    const ours = texts.map((text) => [text, isRid(text) && referenceRidProblem(text) === undefined])
    expect(ours).toEqual(theirs)
    expect(ours.filter(([, taken]) => taken).length).toBeGreaterThan(1000)
  })

  it('prints the same timestamps [MAN-3]', async () => {
    const two = (end: number) => String(random.below(end)).padStart(2, '0')
    const texts = Array.from({ length: 2000 }, () => {
      const fraction = random.chance(0.5) ? '' : `.${String(random.bits()).slice(0, 1 + random.below(9))}`
      const zone = random.chance(0.5) ? 'Z' : `${random.pick(['+', '-'])}${two(26)}:${two(61)}`
      return `${String(random.below(10000)).padStart(4, '0')}-${two(14)}-${two(33)}T${two(25)}:${two(61)}:${two(61)}${fraction}${zone}`
    })
    const manifestOf = (timestamp: string) =>
      `{"rid":"a:b","timestamp":"${timestamp}","sha256_hash":"${'0'.repeat(64)}"}`
    const answers = await reference.askAll(
      'manifest',
      texts.map((text) => ({ text: manifestOf(text) })),
    )
    const ours = texts.map((text) => {
      try {
        canonicalTimestamp(text)
        return parseManifest(manifestOf(text)).text
      } catch {
        return undefined
      }
    })
    expect(texts.map((text, index) => [text, ours[index]])).toEqual(
      texts.map((text, index) => [text, answers[index]?.ok?.text]),
    )
    expect(ours.filter((text) => text !== undefined).length).toBeGreaterThan(200)
  })

  it('takes the keys that we take [KEY-2]', async () => {
    const { public_key } = await reference.ask('node', { name: 'n' })
    expect(publicKeyToDerBase64(publicKeyFromDerBase64(public_key))).toBe(public_key)
  })
})
