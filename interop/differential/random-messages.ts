/** Random RIDs, manifests and payloads as JSON text of any form; the same for the same seed. */
import type { PayloadType } from '@koi-mcp/protocol'
import { randomText, randomValue } from '../random-json.ts'
import type { Random } from '../random-json.ts'

const hex = (random: Random): string =>
  Array.from({ length: 8 }, () => random.bits().toString(16).padStart(8, '0')).join('')
const word = (random: Random): string => random.bits().toString(36)
const two = (number: number): string => String(number).padStart(2, '0')

/** RIDs whose grammar the reference knows, in the one spelling that it prints. */
const KNOWN_TYPES: readonly ((random: Random) => string)[] = [
  (random) => `orn:koi-net.node:${word(random)}+${hex(random)}`,
  (random) => `orn:koi-net.edge:${hex(random)}`,
  (random) => `https://${word(random)}.org/${word(random)}?${word(random)}=1#${word(random)}`,
  (random) => `http://${word(random)}.org/${word(random)}`,
  (random) => `orn:github.issue:${word(random)}/${word(random)}:${1 + random.below(1000)}`,
  (random) => `orn:slack.message:${word(random)}/${word(random)}/${word(random)}`,
]
const SCHEMES = ['x', 'X', 'orn.x', 'ORN', 'Urn', 'a+b', ' ', 'é', '..', '%3A', '😀', 'ftp', 'file']
const NAMESPACES = [
  'a',
  'A.b',
  'notes.note',
  'koi-net.nodes',
  'a b',
  'ключ',
  '..',
  '-',
  'a/b',
  '鍵',
  'o.r.n.x',
  '😀',
  'ß.ı',
]
/** Texts that are no RID on either side. */
const NO_RIDS = [
  '',
  ':',
  'x',
  'x:',
  ':x',
  'orn:a',
  'orn::x',
  'orn:a:',
  'urn:',
  'orn:koi-net.node:a',
  'orn:koi-net.node:a+b+c',
]

/** An RID that both sides read. */
export function randomRid(random: Random): string {
  if (random.chance(0.2)) return random.pick(KNOWN_TYPES)(random)
  return `${randomRidType(random)}:${reference(random)}`
}

/** An RID, or now and then something that is none. */
function maybeRid(random: Random): string {
  return random.chance(0.02) ? random.pick(NO_RIDS) : randomRid(random)
}

function randomRidType(random: Random): string {
  if (random.chance(0.4)) return random.pick(SCHEMES)
  return `${random.pick(['orn', 'urn'])}:${random.pick(NAMESPACES)}`
}

/** Colons, dots, slashes, percent signs, line ends and every script; no NUL, which no RID has. */
function reference(random: Random): string {
  const text = random.chance(0.5)
    ? randomText(random)
    : Array.from({ length: 1 + random.below(6) }, () =>
        random.pick([
          'a',
          'Z',
          '0',
          ':',
          '/',
          '..',
          '%2F',
          '%',
          '?',
          '#',
          '+',
          '\n',
          ' ',
          '\\',
          '"',
          'é',
          'e\u0301',
          '鍵',
        ]),
      ).join('')
  return text.replaceAll('\0', '') || 'x'
}

/** Any zone, and any fraction up to nine digits. */
function timestamp(random: Random): string {
  const day = `${String(1 + random.below(9998)).padStart(4, '0')}-${two(1 + random.below(12))}-${two(1 + random.below(28))}`
  const time = `${two(random.below(24))}:${two(random.below(60))}:${two(random.below(60))}`
  const fraction = random.chance(0.3) ? '' : `.${String(random.bits()).slice(0, 1 + random.below(9))}`
  const zone = random.chance(0.6)
    ? random.pick(['Z', 'z'])
    : `${random.pick(['+', '-'])}${two(random.below(24))}:${two(random.below(60))}`
  return `${day}${random.pick(['T', 't', ' '])}${time}${fraction}${zone}`
}

/** A manifest with its fields in any order, and some that nobody knows. */
export function manifestJson(random: Random, rid: string, sha256: string): string {
  const fields = [
    `"rid":${JSON.stringify(rid)}`,
    `"timestamp":"${timestamp(random)}"`,
    `"sha256_hash":"${sha256}"`,
    ...(random.chance(0.5) ? ['"@context":"orn:koi-net.context:manifest"'] : []),
    ...Array.from(
      { length: random.below(3) },
      (_, index) => `${JSON.stringify(`${index}${randomText(random)}`)}:${randomValue(random)}`,
    ),
  ]
  return `{${shuffled(random, fields).join(',')}}`
}

/** A payload of that type: fields in any order, defaults missing, fields that nobody knows; one in some has an RID that is none. */
export function payloadJson(random: Random, type: PayloadType): string {
  const fields = FIELDS[type](random)
  if (random.chance(0.8)) fields.push(`"type":"${type}"`)
  if (random.chance(0.1)) fields.push(`"unknown ${word(random)}":${randomValue(random)}`)
  return `{${shuffled(random, fields).join(',')}}`
}

const list = (random: Random, make: (random: Random) => string): string =>
  `[${Array.from({ length: random.below(5) }, () => make(random)).join(',')}]`
const rids = (random: Random): string => list(random, (with_) => JSON.stringify(maybeRid(with_)))
const types = (random: Random): string => list(random, (with_) => JSON.stringify(randomRidType(with_)))
/** A field that may be left out. */
const maybe = (random: Random, field: string): string[] => (random.chance(0.7) ? [field] : [])

const FIELDS: { readonly [T in PayloadType]: (random: Random) => string[] } = {
  events_payload: (random) => [`"events":${list(random, eventJson)}`],
  poll_events: (random) => maybe(random, `"limit":${random.chance(0.3) ? 0 : random.below(2 ** 31)}`),
  fetch_rids: (random) => maybe(random, `"rid_types":${types(random)}`),
  fetch_manifests: (random) => [
    ...maybe(random, `"rid_types":${types(random)}`),
    ...maybe(random, `"rids":${rids(random)}`),
  ],
  fetch_bundles: (random) => [`"rids":${rids(random)}`],
  rids_payload: (random) => [`"rids":${rids(random)}`],
  manifests_payload: (random) => [
    `"manifests":${list(random, (with_) => manifestJson(with_, maybeRid(with_), hex(with_)))}`,
    ...maybe(random, `"not_found":${rids(random)}`),
  ],
  bundles_payload: (random) => [
    '"bundles":[]',
    ...maybe(random, `"not_found":${rids(random)}`),
    ...maybe(random, `"deferred":${rids(random)}`),
  ],
}

/** An event without contents; those with contents are compared on their own. */
function eventJson(random: Random): string {
  const rid = maybeRid(random)
  const event_type = random.pick(['NEW', 'UPDATE', 'FORGET'])
  const fields = [`"rid":${JSON.stringify(rid)}`, `"event_type":"${event_type}"`]
  if (event_type !== 'FORGET')
    fields.push(`"manifest":${random.chance(0.2) ? 'null' : manifestJson(random, rid, hex(random))}`)
  if (random.chance(0.1)) fields.push('"contents":null')
  if (random.chance(0.1)) fields.push(`"more":${randomValue(random)}`)
  return `{${shuffled(random, fields).join(',')}}`
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: random.bits() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item)
}
