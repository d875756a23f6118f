import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRid, REFERENCE_MAX_RID_BYTES } from '@koi-mcp/protocol'
import { dataSchemaRid, datasetRid } from './rid-types.ts'

const path = fc
  .array(fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 90 }), fc.constantFrom('ü', '😀', '/', '~')), {
    minLength: 1,
    maxLength: 30,
  })
  .map((parts) => parts.join('').replaceAll('\0', '') || 'x')
  .filter((text) => text.isWellFormed())

describe('datasetRid', () => {
  it('is the path as it is where that fits', () => {
    expect(datasetRid('data', 'a b/50% #1*[x].csv')).toBe('orn:data-catalog.dataset:data/a b/50% #1*[x].csv')
    expect(dataSchemaRid('data', 'x')).toBe('orn:data-catalog.schema:data/x')
    const longest = 'x'.repeat(187 - 'orn:data-catalog.dataset:d/'.length)
    expect(datasetRid('d', longest)).toBe(`orn:data-catalog.dataset:d/${longest}`)
    expect(datasetRid('d', `${longest}y`)).toMatch(/x~[0-9a-f]{32}$/)
  })

  it('cuts a long path between characters', () => {
    expect(datasetRid('d', '😀'.repeat(60))).toMatch(/^orn:data-catalog\.dataset:d\/(😀){31}~[0-9a-f]{32}$/u)
  })

  it('is always an RID that other nodes keep, begins with its source, and is the same again', () => {
    fc.assert(
      fc.property(path, (text) => {
        const rid = datasetRid('source', text)
        expect(isRid(rid)).toBe(true)
        expect(Buffer.byteLength(rid)).toBeLessThanOrEqual(REFERENCE_MAX_RID_BYTES)
        expect(rid.startsWith('orn:data-catalog.dataset:source/')).toBe(true)
        expect(datasetRid('source', text)).toBe(rid)
      }),
    )
  })

  it('differs for paths that differ, also where one is named like the hashed form of another', () => {
    fc.assert(fc.property(path, path, (a, b) => a === b || datasetRid('s', a) !== datasetRid('s', b)))
    const hashed = datasetRid('s', 'x'.repeat(500))
    const lookalike = hashed.slice('orn:data-catalog.dataset:s/'.length)
    expect(datasetRid('s', lookalike)).not.toBe(hashed)
  })

  it.each([
    ['', 'x', 'a source of datasets needs a name'],
    ['a/b', 'x', 'the source a/b has a "/" in its name'],
    ['a'.repeat(65), 'x', 'has a name of 65 bytes; shorten it to 64'],
    ['a', '', 'an empty path or name has no RID'],
  ])('refuses source %j with path %j', (source, text, message) => {
    expect(() => datasetRid(source, text)).toThrow(message)
  })
})
