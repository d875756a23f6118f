import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import { bundleText, generateBundle, parseBundle } from './bundle.ts'
import {
  contentsOf,
  MAX_CONTENTS_DEPTH,
  MAX_CONTENTS_LENGTH,
  MAX_CONTENTS_VALUES,
  parseContents,
  sha256Contents,
  storedContents,
} from './contents.ts'
import { generateManifest, parseManifest } from './manifest.ts'
import { asRid } from './rid.ts'

const RID = asRid('orn:a.b:c')
const NOW = '2026-11-23T08:40:55.012000Z'
const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`

interface Signed {
  readonly sent: string
  readonly contents: string
  readonly hash: string
}

describe('contents', () => {
  it('have the text and the hash that the reference gives them [MAN-1] [BUN-2]', () => {
    const signed = vectors<{ events: Signed[] }>('envelopes').events
    for (const { sent, contents, hash } of signed) {
      expect(parseContents(sent).text).toBe(contents)
      expect(sha256Contents(parseContents(sent).value)).toBe(hash)
    }
    expect(signed.length).toBeGreaterThan(90)
  })

  it('keep what a JavaScript parse loses [BUN-2]', () => {
    const text = '{"10":1.0,"9":12345678901234567890,"a":null,"z":-0.0,"__proto__":"\\u0000"}'
    expect(parseContents(text).text).toBe(text)
    expect(parseBundle(bundleText(generateBundle(RID, parseContents(text), NOW))).contents.text).toBe(text)
    expect(storedContents(text)).toEqual({ text, value: JSON.parse(text) as unknown })
  })

  it('of our own do not change when the object does', () => {
    const object = { a: [1] }
    const contents = contentsOf(object)
    object.a.push(2)
    expect(contents).toEqual({ text: '{"a":[1]}', value: { a: [1] } })
  })

  it('are an object [BUN-1]', () => {
    expect(() => contentsOf([1])).toThrow('contents: must be an object')
    expect(() => contentsOf(new Date())).toThrow('contents: must be an object')
    expect(() => parseContents('[1]')).toThrow('contents: must be an object, is an array')
    expect(() => parseContents('null')).toThrow('contents: must be an object, is null')
    expect(() => parseContents('{"a":1,"a":2}')).toThrow('contents: has the same name twice in one object')
  })

  it('are as deep as an envelope of the reference can hold, and no deeper [ENV-7]', () => {
    expect(MAX_CONTENTS_DEPTH).toBe(196)
    const deepest = nested(196)
    expect(parseContents(deepest).text).toBe(deepest)
    expect(contentsOf(JSON.parse(deepest) as object).text).toBe(deepest)
    expect(() => parseContents(nested(197))).toThrow('contents: is nested deeper than 196 levels')
    expect(() => contentsOf(JSON.parse(nested(197)) as object)).toThrow(/is nested too deep/)
  })

  it('hold a bounded number of values and characters', () => {
    const holding = (values: number) => `{"a":[${'0,'.repeat(values - 3)}0]}`
    const most = holding(MAX_CONTENTS_VALUES)
    expect(parseContents(most).text).toBe(most)
    expect(() => parseContents(holding(MAX_CONTENTS_VALUES + 1))).toThrow('contents: hold more than 100000 JSON values')
    expect(() => contentsOf(JSON.parse(holding(MAX_CONTENTS_VALUES + 1)) as object)).toThrow(
      'contents: hold more than 100000 JSON values',
    )
    const long = (length: number) => `{"text":"${'é[{,'.repeat(length / 4).slice(11)}"}`
    expect(parseContents(long(MAX_CONTENTS_LENGTH)).text).toBe(long(MAX_CONTENTS_LENGTH))
    expect(() => parseContents(long(MAX_CONTENTS_LENGTH + 4))).toThrow('contents: are longer than 4194304 characters')
    expect(() => contentsOf(JSON.parse(long(MAX_CONTENTS_LENGTH + 4)) as object)).toThrow(/are longer than/)
  })

  it('hash by what they say, not by how they are written [MAN-1]', () => {
    const hash = (text: string) => sha256Contents(parseContents(text).value)
    expect(hash('{"b":1.0,"a":12345678901234567890}')).toBe(hash('{ "a":12345678901234567000, "b":1 }'))
    expect(hash('{"a":1}')).toBe('015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862')
  })
})

describe('bundles', () => {
  it('survive being printed and read', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 5 }),
        (object) => {
          const bundle = generateBundle(RID, contentsOf(object), NOW)
          const read = parseBundle(bundleText(bundle))
          expect(read.manifest).toEqual(bundle.manifest)
          expect(read.contents).toEqual({ text: bundle.contents.text, value: bundle.contents.value })
        },
      ),
    )
  })

  it('are refused when the contents are not the manifest’s [BUN-1]', () => {
    const manifest = generateManifest(RID, contentsOf({ a: 1 }), NOW)
    expect(() => parseBundle(bundleText({ manifest, contents: contentsOf({ a: 2 }) }))).toThrow(
      /^contents: hash to [0-9a-f]{64}, the manifest says 015abd/,
    )
    expect(() => parseBundle(`{"manifest":${manifest.text}}`)).toThrow('contents: is missing')
  })
})

describe('manifests', () => {
  it('are printed as the reference prints them [MAN-2]', () => {
    for (const { received, printed } of vectors<{ received: string; printed: string }[]>('manifests')) {
      expect(parseManifest(received).text).toBe(printed)
      expect(parseManifest(printed).text).toBe(printed)
    }
  })

  it('of our own say all that the reference’s say [MAN-2]', () => {
    expect(generateManifest(RID, contentsOf({ a: 1 }), '2026-11-23T08:40:55.012Z')).toEqual({
      rid: RID,
      timestamp: NOW,
      sha256_hash: '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862',
      text: `{"rid":"orn:a.b:c","timestamp":"${NOW}","sha256_hash":"015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862","@context":"orn:koi-net.context:manifest"}`,
    })
  })

  const hash = '0'.repeat(64)
  it.each([
    [`{"timestamp":"${NOW}","sha256_hash":"${hash}"}`, 'manifest.rid: is missing'],
    [`{"rid":5,"timestamp":"${NOW}","sha256_hash":"${hash}"}`, 'manifest.rid: must be a string, is a number'],
    [
      `{"rid":"a:b","timestamp":"2026-01-01T00:00:00","sha256_hash":"${hash}"}`,
      'manifest.timestamp: "2026-01-01T00:00:00" has no time zone',
    ],
    [`{"rid":"a:b","timestamp":1700000000,"sha256_hash":"${hash}"}`, 'manifest.timestamp: must be a string'],
    [
      `{"rid":"a:b","timestamp":"${NOW}","sha256_hash":"${'A'.repeat(64)}"}`,
      'manifest.sha256_hash: must be 64 hex digits in lower case',
    ],
    [`{"rid":"a:b","timestamp":"${NOW}","sha256_hash":"${hash}","x":1,"x":1}`, 'manifest: has the same name twice'],
    ['null', 'manifest: must be an object, is null'],
  ])('are refused when malformed: %#', (text, message) => {
    expect(() => parseManifest(text)).toThrow(message)
  })
})
