import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import { decodeUtf8, parseJson, scanJson } from './json-text.ts'
import type { JsonNode } from './json-text.ts'
import { referenceText } from './json-tokens.ts'

/** JSON with spaces and escapes that no printer makes. */
const looseJson = fc
  .tuple(fc.json({ maxDepth: 9, depthSize: 'small', stringUnit: 'binary' }), fc.constantFrom('', ' ', '\n\t', '\r\n  '))
  .map(([text, space]) =>
    text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[,:{}[\]]/g, (token) =>
      token.length === 1 ? space + token + space : token,
    ),
  )

function everyNode(node: JsonNode): JsonNode[] {
  return [node, ...[...(node.members?.values() ?? []), ...(node.items ?? [])].flatMap(everyNode)]
}

function refusal(text: string, maxValues: number | undefined): string | undefined {
  try {
    scanJson(text, maxValues === undefined ? {} : { maxValues })
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

describe('JSON text', () => {
  it('has parts whose text and value agree, as JSON.parse reads them', () => {
    fc.assert(
      fc.property(looseJson, (text) => {
        const { node } = scanJson(text)
        expect(node.value).toEqual(JSON.parse(text))
        for (const part of everyNode(node)) expect(JSON.parse(part.text)).toEqual(part.value)
      }),
    )
  })

  it('refuses what JSON.parse refuses, and nothing else', () => {
    fc.assert(
      fc.property(
        fc
          .array(fc.constantFrom(...'{}[]:,"\\u0/1.e-+ tn'.split(''), 'true', '"a"', '{"b":'))
          .map((tokens) => tokens.join('')),
        (text) => {
          let value: unknown
          try {
            value = JSON.parse(text)
          } catch {
            expect(() => scanJson(text)).toThrow(/is not JSON/)
            return
          }
          expect(scanJson(text).node.value).toEqual(value)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('keeps the exact text of every part', () => {
    const { node } = scanJson('{"b": 1.0 ,"2":[12345678901234567890, -0.0],"1":"\\u00e9\\"","__proto__":{ }}')
    expect([...(node.members ?? [])].map(([name, part]) => [name, part.text])).toEqual([
      ['b', '1.0'],
      ['2', '[12345678901234567890, -0.0]'],
      ['1', '"\\u00e9\\""'],
      ['__proto__', '{ }'],
    ])
    expect(node.members?.get('__proto__')?.value).toEqual({})
    expect(Object.getPrototypeOf(node.value)).toBe(Object.prototype)
  })

  it('knows what the reference would print differently', () => {
    const canonical = ['{}', '{"a":1.0}', '[1e+16,-0.0,"\\u0001\\n\u2028\u007f"]', '"\\\\\\""', '12345678901234567890']
    const other = ['{ }', ' 1', '1 ', '1e5', '-0', '"\\u00e9"', '"\\/"', '"\\u001F"', '{"\\u0061":1}', '[1.50]']
    expect(canonical.map((text) => scanJson(text).canonical)).toEqual(canonical.map(() => true))
    expect(other.map((text) => scanJson(text).canonical)).toEqual(other.map(() => false))
  })

  it('is brought into the form that the reference prints [ENV-2]', () => {
    expect(referenceText(' { "a\\u00e9\\/" : [ 1E5 , -0 , 1.50, "\\ud83d\\ude00 \\u001F" ] }\n')).toBe(
      '{"aé/":[100000.0,0,1.5,"😀 \\u001f"]}',
    )
    fc.assert(
      fc.property(looseJson, (text) => {
        const printed = referenceText(text)
        expect(JSON.parse(printed)).toEqual(JSON.parse(text))
        expect(scanJson(printed).canonical).toBe(true)
        expect(parseJson(text).text).toBe(printed)
      }),
    )
  })

  it.each([
    ['{"a":1,"a":2}', 'has the same name twice in one object'],
    ['{"a":1,"\\u0061":2}', 'has the same name twice in one object'],
    ['{"a":{"x":1},"a":null}', 'has the same name twice in one object'],
    ['[[[[[[[{"a":1,"b":{"a":1},"a":2}]]]]]]]', 'has the same name twice in one object'],
    ['["\\ud800"]', 'has half a surrogate pair'],
    ['{"\\udc00":1}', 'has half a surrogate pair'],
    ['[[[[[[["\\ud800x"]]]]]]]', 'has half a surrogate pair'],
    ['[1e400]', 'has a number above 1.8e308'],
    [`[-1${'0'.repeat(400)}]`, 'has a number above 1.8e308'],
    [`${'['.repeat(201)}${']'.repeat(201)}`, 'is nested deeper than 200 levels'],
  ])('marks what may not be passed on: %# [ENV-6]', (text, problem) => {
    expect(scanJson(text).node.defect?.problem).toBe(problem)
  })

  it('says where a defect is, and not that its neighbours have one', () => {
    const { node } = scanJson('{"good":[1],"bad":{"x":{"a":1,"a":2}}}')
    const bad = node.members?.get('bad')
    expect([node.ownDefect, node.defect !== undefined]).toEqual([undefined, true])
    expect([bad?.ownDefect, bad?.defect !== undefined]).toEqual([undefined, true])
    expect(bad?.members?.get('x')?.ownDefect?.problem).toBe('has the same name twice in one object')
    expect(node.members?.get('good')?.defect).toBeUndefined()
  })

  it('takes 200 levels and survives a million [ENV-7]', () => {
    expect(scanJson(`${'['.repeat(200)}${']'.repeat(200)}`).node.defect).toBeUndefined()
    const deep = 1_000_000
    expect(scanJson(`${'['.repeat(deep)}${']'.repeat(deep)}`).node.defect?.code).toBe('too_deep')
    expect(parseJson(`["${'\\/'.repeat(8 * deep)}"]`).text).toHaveLength(8 * deep + 4)
  })

  it('is refused for its number of values before anything is parsed, whatever they are', () => {
    const texts = ['[1,2]', '{"a":1,"b":2}', '[[1]]', '["a,[{",",\\\",["]', '[1,2', '[[', '["', '"']
    expect(texts.map((text) => refusal(text, 3))).toEqual(texts.map((text) => refusal(text, undefined)))
    expect(texts.slice(0, 4).map((text) => refusal(text, 2))).toEqual(
      texts.slice(0, 4).map(() => 'holds more than 2 JSON values'),
    )
    expect(refusal('['.repeat(16_000_000), 1_000_000)).toBe('holds more than 1000000 JSON values')
  })

  it.each([[new Uint8Array([0x22, 0xff, 0x22])], [new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])]])(
    'refuses bytes that are not UTF-8: %# [ENV-6]',
    (bytes) => {
      expect(() => decodeUtf8(bytes)).toThrow('is not UTF-8')
    },
  )

  it('refuses a byte order mark and raw half pairs [ENV-6]', () => {
    expect(() => scanJson(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x31])))).toThrow(/is not JSON/)
    expect(() => scanJson('"\ud800"')).toThrow('has half a surrogate pair')
  })
})
