import fc from 'fast-check'
import { expect, test } from 'vitest'

import { FakeKnowledge } from '../test/fake-knowledge.ts'
import { percentDecode, RidLookup } from './rid-lookup.ts'

const found = async (lookup: RidLookup, uri: string) => (await lookup.find(uri))?.rid

test('an RID finds itself, whatever others decode to it', async () => {
  const knowledge = new FakeKnowledge()
  const lookup = new RidLookup(knowledge, knowledge.changes)
  for (const rid of ['x:a b', 'x:a%20b', 'x:a%2520b']) knowledge.put(rid, {})
  expect(await found(lookup, 'x:a b')).toBe('x:a b')
  expect(await found(lookup, 'x:a%20b')).toBe('x:a%20b')
  expect(await found(lookup, 'x:a%2520b')).toBe('x:a%2520b')
})

test('a URI that is no RID here finds the only one that reads the same', async () => {
  const knowledge = new FakeKnowledge()
  knowledge.put('x:50% #1 ü', {})
  const lookup = new RidLookup(knowledge, knowledge.changes)
  expect(await found(lookup, 'x:50%25%20%231%20%C3%BC')).toBe('x:50% #1 ü')
  expect(await found(lookup, 'x:50%%20#1%20%c3%bc')).toBe('x:50% #1 ü')
  expect(await found(lookup, 'X:50% #1 ü')).toBeUndefined()
})

test('a part of the RID may be encoded already', async () => {
  const knowledge = new FakeKnowledge()
  knowledge.put('x:a%20b c', {})
  const lookup = new RidLookup(knowledge, knowledge.changes)
  expect(await found(lookup, 'x:a%20b%20c')).toBe('x:a%20b c')
  expect(await found(lookup, 'x:a b c')).toBe('x:a%20b c')
  knowledge.put('x:a b%20c', {})
  expect(await found(lookup, 'x:a%20b%20c')).toBeUndefined()
  knowledge.forget('x:a%20b c')
  expect(await found(lookup, 'x:a%20b%20c')).toBe('x:a b%20c')
})

test('what encodes nothing that is known finds nothing', async () => {
  const knowledge = new FakeKnowledge()
  const lookup = new RidLookup(knowledge, knowledge.changes)
  for (const uri of ['', 'x', 'x:', '%', '%3A', 'x:%00', 'x:%FF', '\ud800:x']) {
    expect(await found(lookup, uri)).toBeUndefined()
  }
})

test('decodes all that encodeURIComponent encodes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(percentDecode(encodeURIComponent(text))).toBe(text)
    }),
  )
})

test('any RID is found by what a URL parser or an encoder makes of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1 }), async (reference) => {
      fc.pre(!reference.includes('\0'))
      const rid = `orn:data-catalog.dataset:${reference}`
      const knowledge = new FakeKnowledge()
      knowledge.put(rid, {})
      const lookup = new RidLookup(knowledge, knowledge.changes)
      expect(await found(lookup, rid)).toBe(rid)
      expect(await found(lookup, encodeURI(rid))).toBe(rid)
      expect(await found(lookup, `orn:data-catalog.dataset:${encodeURIComponent(reference)}`)).toBe(rid)
    }),
  )
})
