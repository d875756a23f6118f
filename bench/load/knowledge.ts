import { contentsOf, defineRidType, generateBundle, storedContents } from '@koi-mcp/protocol'
import type { Bundle, Contents, Rid } from '@koi-mcp/protocol'

const NoteRid = defineRidType('orn:bench.note')
export const NOTE = NoteRid.name

/** The n-th note; short, so that a million of them fit into one reply. */
export const noteRid = (n: number): Rid => NoteRid.of(n.toString(36))

const WORDS = (
  'river station winter harvest count sensor average north meadow survey soil water light table report sample ' +
  'region annual growth forest species depth record filter signal ocean valley bridge copper glass'
).split(' ')

/** The same words for the same number: what is stored and searched differs from note to note, and not from run to run. */
function words(seed: number, count: number): string {
  let state = (seed * 2_654_435_761 + 1) >>> 0
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return WORDS[state % WORDS.length]
  }).join(' ')
}

/** What the coordinator subscribes to: it takes nobody's word about anything else. */
export const EVENT_TYPE = 'orn:data-catalog.dataset'
const DatasetRid = defineRidType(EVENT_TYPE)

/** What the n-th event is about. */
export const eventRid = (n: number): Rid => DatasetRid.of(`bench/${n.toString(36)}`)

/** What an event carries: about 500 bytes, the description of a dataset. */
export function eventContents(n: number): Contents {
  return contentsOf({
    name: `dataset ${n}: ${words(n, 4)}`,
    description: words(n + 7, 32),
    format: 'csv',
    rows: n * 17,
    mean: n / 7,
    modified: '2026-11-23T08:00:00Z',
    tags: [words(n, 1), words(n + 1, 1), words(n + 2, 1)],
    columns: [
      { name: 'id', type: 'BIGINT', nullable: false },
      { name: words(n + 3, 1), type: 'DOUBLE', unit: 'm' },
    ],
  })
}

/** What a node is filled with: about 90 bytes, so that a million of them are filled in within a minute or two. */
const seedContents = (n: number): Contents =>
  storedContents(`{"n":${n},"title":${JSON.stringify(words(n, 4))},"note":${JSON.stringify(words(n + 7, 5))}}`)

/** Before any event that is sent: those are news. */
const SEEDED_AT = '2026-01-01T00:00:00Z'

export const seedBundle = (n: number): Bundle => generateBundle(noteRid(n), seedContents(n), SEEDED_AT)
