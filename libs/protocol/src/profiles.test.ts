import { describe, expect, it } from 'vitest'

import { vectors } from '../test/vectors.ts'
import { parseBundle } from './bundle.ts'
import { parseContents } from './contents.ts'
import { edgeProfileContents, parseEdgeProfile } from './edge-profile.ts'
import { generateKeyPair, publicKeyToDerBase64 } from './keys.ts'
import { nodeProfileContents, parseNodeProfile } from './node-profile.ts'
import { asRid, edgeRid, nodeRid } from './rid.ts'
import { parseWellKnown, wellKnownText } from './well-known.ts'

const node = (text: string) => parseNodeProfile(parseContents(text))

describe('node profiles', () => {
  it('are printed as the reference prints them [NODE-1]', () => {
    for (const { received, printed } of vectors<{ received: string; printed: string }[]>('profiles')) {
      expect(nodeProfileContents(node(received)).text).toBe(printed)
      expect(nodeProfileContents(node(printed)).text).toBe(printed)
    }
  })

  it('need no @context and no provides [NODE-2]', () => {
    expect(node('{"base_url":null,"node_type":"PARTIAL","public_key":"k","more":1}')).toEqual({
      node_type: 'PARTIAL',
      provides: { event: [], state: [] },
      public_key: 'k',
    })
  })

  it.each([
    ['{"node_type":"FULL","public_key":"k"}', 'base_url: is missing, and a FULL node needs one'],
    ['{"@context":"none","node_type":"PARTIAL","public_key":"k"}', '@context: "none" is no RID'],
    ['{"@context":7,"node_type":"PARTIAL","public_key":"k"}', '@context: must be a string, is a number'],
    ['{"context":null,"node_type":"PARTIAL","public_key":"k"}', 'context: must be a string, is null'],
    [
      '{"@context":"https://x.org?","node_type":"PARTIAL","public_key":"k"}',
      '@context: the RID is not what the grammar',
    ],
    ['{"node_type":"PARTIAL","provides":null,"public_key":"k"}', 'provides: must be an object, is null'],
    ['{"node_type":"FULL","base_url":null,"public_key":"k"}', 'base_url: is missing, and a FULL node needs one'],
    [
      '{"node_type":"FULL","base_url":"file:///etc","public_key":"k"}',
      'base_url: must be an http or https address, is "file:///etc"',
    ],
    ['{"node_type":"HALF","public_key":"k"}', 'node_type: must be FULL or PARTIAL, is "HALF"'],
    ['{"node_type":"PARTIAL","public_key":null}', 'public_key: must be a string, is null'],
    ['{"node_type":"PARTIAL","public_key":"k","provides":[]}', 'provides: must be an object, is an array'],
    [
      '{"node_type":"PARTIAL","public_key":"k","provides":{"event":["a:b"]}}',
      'provides.event[0]: "a:b" is no RID type: only orn and urn take a namespace',
    ],
  ])('are refused when a peer could not live with them: %# [NODE-2]', (text, message) => {
    expect(() => node(text)).toThrow(message)
  })
})

describe('edge profiles', () => {
  const made = vectors<{ source: string; target: string; rid: string; bundle: string }>('edge')

  it('are printed, and named, as the reference does [EDGE-1] [RID-6]', () => {
    const bundle = parseBundle(made.bundle)
    const edge = parseEdgeProfile(bundle.contents)
    expect(edge).toEqual({
      source: made.source,
      target: made.target,
      edge_type: 'WEBHOOK',
      status: 'PROPOSED',
      rid_types: ['orn:koi-net.node', 'https'],
    })
    expect(edgeProfileContents(edge).text).toBe(bundle.contents.text)
    expect(edgeRid(edge.source, edge.target)).toBe(made.rid)
    expect(bundle.manifest.rid).toBe(made.rid)
  })

  it.each([
    ['{"source":"a:b"}', 'source: must be a node’s RID'.replace('’', "'")],
    [
      '{"source":"orn:koi-net.node:a+b","target":"orn:koi-net.node:a+b","edge_type":"PUSH"}',
      'edge_type: must be WEBHOOK or POLL, is "PUSH"',
    ],
    [
      '{"source":"orn:koi-net.node:a+b","target":"orn:koi-net.node:a+b","edge_type":"POLL","status":"APPROVED"}',
      'rid_types: is missing',
    ],
  ])('are refused when malformed: %#', (text, message) => {
    expect(() => parseEdgeProfile(parseContents(text))).toThrow(message)
  })
})

describe('the well-known document', () => {
  const public_key = publicKeyToDerBase64(generateKeyPair().publicKey)
  const base_url = 'http://127.0.0.1:8000/koi-net'
  const profile = { node_type: 'FULL', base_url, provides: { event: [], state: ['orn:a'] }, public_key } as const

  it('survives being printed and read', () => {
    const wellKnown = { rid: nodeRid('n', public_key), base_url, profile }
    expect(parseWellKnown(wellKnownText(wellKnown))).toEqual(wellKnown)
  })

  it('is refused when RID and key do not belong together', () => {
    const text = wellKnownText({ rid: asRid('orn:koi-net.node:n+0'), base_url, profile })
    expect(() => parseWellKnown(text)).toThrow('rid: does not belong to the key in the profile')
  })
})
