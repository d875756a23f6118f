import type { Json } from './peer.ts'
import { manifestOf } from './peer.ts'
import type { Random } from './random.ts'

const deep = (levels: number, open: string, close: string) =>
  JSON.parse(open.repeat(levels) + close.repeat(levels)) as unknown

/** What no field expects. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e300,
  -0,
  2 ** 53,
  1e-7,
  Number.MAX_SAFE_INTEGER,
  '',
  ' ',
  '\0',
  'a\0b',
  '\n',
  '\u2028',
  '\ud800',
  '\udc00\ud800',
  '../../etc/passwd',
  '💥'.repeat(100),
  'x'.repeat(400),
  'x:'.repeat(200),
  `orn:fuzz.thing:${'y'.repeat(400)}`,
  `x:${'z'.repeat(100_000)}`,
  'x:y',
  'orn:',
  'orn:a',
  'orn:a:',
  ':',
  'urn:x:y:z',
  'orn:koi-net.node:a',
  'orn:koi-net.node:a+b',
  'orn:koi-net.edge:0',
  'http://127.0.0.1:9/',
  'file:///etc/passwd',
  'javascript:1',
  '__proto__',
  'constructor',
  'toString',
  '1970-01-01T00:00:00Z',
  '9999-12-31T23:59:59Z',
  '2026-01-01T00:00:00',
  '2026-13-45T99:99:99Z',
  '-000001-01-01T00:00:00Z',
  'NEW',
  'UPDATE',
  'FORGET',
  'new',
  'events_payload',
  'poll_events',
  'fetch_rids',
  'error_response',
  [],
  {},
  [[]],
  [null],
  [[[]], {}],
  { rid: 'x:y' },
  { length: 1e9 },
  { toJSON: 1 },
  { then: 'x' },
  Array.from({ length: 300 }, () => 1),
  deep(150, '[', ']'),
  deep(250, '[', ']'),
  JSON.parse(`${'{"a":'.repeat(210)}1${'}'.repeat(210)}`) as unknown,
  JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}') as unknown,
]

/** Texts that no printer makes: put in the place of a token. */
const HOSTILE_TOKENS: readonly string[] = [
  '1e400',
  '-1e400',
  '1E5',
  '-0',
  '-0.0',
  '00',
  '01',
  '1.',
  '.5',
  '+1',
  '0x10',
  'NaN',
  'Infinity',
  'undefined',
  "'a'",
  '12345678901234567890',
  `1${'0'.repeat(400)}`,
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u0000"',
  '"\u0000"',
  '"\n"',
  '"\\x"',
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"rid":1,"rid":2}',
  '[1,]',
  '{,}',
  '[',
  ']',
  '{',
  '}',
  '"',
  '\\',
  '',
  ',',
  ':',
  '\ufeff',
  '/**/',
  '['.repeat(5_000),
  `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  `"${'\\u0041'.repeat(2_000)}"`,
]

/** A part of a value, and how to put something else in its place. */
interface Spot {
  readonly value: unknown
  put(value: unknown): void
  remove(): void
}

function spotsOf(root: unknown): Spot[] {
  const spots: Spot[] = []
  const walk = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null) return
    for (const key of Object.keys(holder)) {
      const at = holder as Record<string, unknown>
      spots.push({
        value: at[key],
        put: (value) => Object.defineProperty(at, key, { value, enumerable: true, configurable: true, writable: true }),
        remove: () => (Array.isArray(holder) ? void holder.splice(Number(key), 1) : void delete at[key]),
      })
      walk(at[key])
    }
  }
  walk(root)
  return spots
}

/** Changes parts of a payload, whatever they mean: replaced, removed, exchanged, repeated, added. */
export function mutateJson(payload: Json, random: Random): Json {
  const changed = structuredClone(payload)
  for (let times = 1 + random.below(3); times > 0; times--) {
    const spots = spotsOf(changed)
    if (spots.length === 0) break
    const spot = random.pick(spots)
    switch (random.below(7)) {
      case 0:
        spot.remove()
        break
      case 1:
        spot.put(structuredClone(random.pick(spots).value))
        break
      case 2:
        if (Array.isArray(spot.value))
          for (let i = random.below(50); i > 0; i--) spot.value.push(structuredClone(spot.value[0]))
        else spot.put([spot.value, spot.value])
        break
      case 3:
        if (typeof spot.value === 'object' && spot.value !== null && !Array.isArray(spot.value)) {
          const name = random.pick(['', 'rid', 'type', '__proto__', 'toJSON', '10', 'é', 'a'.repeat(1_000)])
          Object.defineProperty(spot.value, name, {
            value: structuredClone(random.pick(HOSTILE)),
            enumerable: true,
            configurable: true,
          })
        }
        break
      default:
        spot.put(structuredClone(random.pick(HOSTILE)))
    }
  }
  return changed
}

/** Makes manifests right again after their contents or RIDs were changed, so that more of what is wrong gets further. */
export function rehash(payload: Json): Json {
  const { events } = payload
  if (!Array.isArray(events)) return payload
  for (const event of events as unknown[]) {
    if (typeof event !== 'object' || event === null || !('contents' in event) || !('manifest' in event)) continue
    const { rid, contents } = event as { rid?: unknown; contents: unknown }
    if (typeof rid === 'string') Object.assign(event, { manifest: manifestOf(rid, contents) })
  }
  return payload
}

/** One token of a JSON text becomes another. */
export function mutateToken(text: string, random: Random): string {
  const from = random.below(text.length)
  const token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{},:]/g
  token.lastIndex = from
  const found = token.exec(text)
  if (found === null) return text + random.pick(HOSTILE_TOKENS)
  return text.slice(0, found.index) + random.pick(HOSTILE_TOKENS) + text.slice(found.index + found[0].length)
}

/** Changes bytes of a message, or takes parts of another. */
export function mutateBytes(bytes: Buffer, other: Buffer, random: Random): Buffer {
  let changed = Buffer.from(bytes)
  for (let times = 1 + random.below(4); times > 0 && changed.length > 0; times--) {
    const at = random.below(changed.length)
    const end = Math.min(changed.length, at + 1 + random.below(64))
    switch (random.below(7)) {
      case 0:
        changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8))
        break
      case 1:
        changed[at] = random.below(256)
        break
      case 2:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(end)])
        break
      case 3:
        changed = Buffer.concat([changed.subarray(0, end), changed.subarray(at)])
        break
      case 4:
        changed = Buffer.concat([changed.subarray(0, at), other.subarray(random.below(other.length))])
        break
      case 5:
        changed = changed.subarray(0, at)
        break
      default:
        changed = Buffer.concat([
          changed.subarray(0, at),
          Buffer.from(random.pick(HOSTILE_TOKENS)),
          changed.subarray(at),
        ])
    }
  }
  return changed
}
