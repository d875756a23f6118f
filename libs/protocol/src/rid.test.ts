import { createHash } from 'node:crypto'

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import {
  asRid,
  edgeRid,
  isKeyOfNode,
  isRid,
  nodeNameOf,
  nodeRid,
  parseRid,
  parseRidTypeName,
  referenceOf,
  ridTypeOf,
} from './rid.ts'
import { defineRidType, KOI_NET_EDGE, KOI_NET_NODE } from './rid-type.ts'

const rids = vectors<{ text: string; type?: string; reference?: string; refused?: true }[]>('rids')
const SOURCE = asRid('orn:koi-net.node:a+1')
const TARGET = asRid('orn:koi-net.node:b+2')

describe('RIDs', () => {
  it.each(rids.filter((vector) => !('refused' in vector)))(
    '$text is read as the reference reads it [RID-1] [RID-2]',
    ({ text, type, reference }) => {
      const parsed = parseRid(text)
      expect([parsed.rid, parsed.type, parsed.reference]).toEqual([text, type, reference])
      expect([ridTypeOf(parsed.rid), referenceOf(parsed.rid)]).toEqual([type, reference])
    },
  )

  it.each(rids.filter((vector) => 'refused' in vector))('$text is refused as by the reference [RID-1]', ({ text }) => {
    expect(isRid(text)).toBe(false)
  })

  it('are their parts put together, whatever the characters [RID-2]', () => {
    const part = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !/[:\0]/.test(text))
    const reference = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'))
    fc.assert(
      fc.property(part, part, reference, (scheme, namespace, rest) => {
        fc.pre(!['orn', 'urn'].includes(scheme))
        expect(parseRid(`${scheme}:${rest}`)).toEqual({
          rid: `${scheme}:${rest}`,
          scheme,
          reference: rest,
          type: scheme,
        })
        const rid = `orn:${namespace}:${rest}`
        expect(parseRid(rid)).toEqual({ rid, scheme: 'orn', namespace, reference: rest, type: `orn:${namespace}` })
      }),
    )
  })

  it.each(['a:\0b', '\0:b', 'a:\ud800', 'orn:o.r.n:x', 'orn:default.type:x'])(
    '%j is refused, for no node could pass it on [RID-4]',
    (text) => {
      expect(isRid(text)).toBe(false)
    },
  )

  it('say what is wrong with a text that is none', () => {
    expect(() => parseRid('orn:a', 'payload.rids[2]')).toThrow(
      'payload.rids[2]: "orn:a" is no RID: after orn: it needs namespace:reference',
    )
  })

  it('of nodes end in the hash of the key’s text [RID-5]', () => {
    const rid = nodeRid('name', 'KEY')
    expect(rid).toBe(`orn:koi-net.node:name+${createHash('sha256').update('KEY').digest('hex')}`)
    expect(isKeyOfNode(rid, 'KEY')).toBe(true)
    expect(isKeyOfNode(rid, 'key')).toBe(false)
    expect(nodeNameOf(rid)).toBe('name')
    expect(() => nodeRid('a+b', 'KEY')).toThrow(/exactly one "\+"/)
    expect(() => nodeRid('', 'KEY')).toThrow('a node needs a name')
  })

  it('of edges hash both ends [RID-6]', () => {
    expect(edgeRid(SOURCE, TARGET)).toMatch(/^orn:koi-net\.edge:[0-9a-f]{64}$/)
    expect(edgeRid(SOURCE, TARGET)).not.toBe(edgeRid(TARGET, SOURCE))
  })
})

describe('RID types', () => {
  it('are RIDs without their reference [RID-3]', () => {
    const dataset = defineRidType('orn:data-catalog.dataset')
    const rid = dataset.of('files/a:b.csv')
    expect(rid).toBe('orn:data-catalog.dataset:files/a:b.csv')
    expect([dataset.matches(rid), KOI_NET_EDGE.matches(rid), KOI_NET_NODE.matches(SOURCE)]).toEqual([true, false, true])
    expect([dataset.scheme, dataset.namespace, defineRidType('https').namespace]).toEqual([
      'orn',
      'data-catalog.dataset',
      undefined,
    ])
    expect(() => dataset.of('')).toThrow(/its reference is empty/)
    expect(() => KOI_NET_NODE.of('no-hash')).toThrow(/is no node RID/)
  })

  it.each(['', 'orn', 'orn:', 'orn:a:b', 'https:x', ':a', 'a\0'])('%j is none [RID-3]', (name) => {
    expect(() => parseRidTypeName(name)).toThrow()
  })
})
