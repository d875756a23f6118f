import fc from 'fast-check'
import type { AuthorityMode, NewArrival } from '@koi-mcp/core'
import type { EventType } from '@koi-mcp/protocol'
import { FAULTS } from './scheduler.ts'
import type { Circumstances, PlannedFault } from './scheduler.ts'
import { edgeBundle, NAMES, noteBundle, noteRid, POISON, profileBundle, ridOf } from './world.ts'
import type { Name } from './world.ts'

/** One event of an envelope, or two: `meet` is the FORGET and NEW of a handshake. */
type Move =
  | {
      readonly kind: 'note'
      readonly verb: EventType | 'found'
      readonly note: number
      readonly version: number
      readonly second: number
      /** Whether manifest and contents stand in the event; `lie`: the contents are not those of the manifest. */
      readonly shape: 'whole' | 'manifest' | 'bare' | 'lie'
    }
  | {
      readonly kind: 'profile'
      readonly verb: EventType | 'meet'
      /** Whose profile; absent: the sender's own. */
      readonly of: Name | undefined
      readonly version: number
      readonly second: number
    }
  | {
      readonly kind: 'edge'
      readonly verb: 'PROPOSED' | 'APPROVED' | 'FORGET'
      /** `out`: the sender subscribes to the node; `in`: the node to the sender; else whoever sends it. */
      readonly between: 'out' | 'in' | 'node and carol' | 'alice and bob'
      readonly types: number
      readonly second: number
    }

export interface Envelope {
  readonly from: Name
  readonly moves: readonly Move[]
  /** Sent once more, as it is, after it was answered. */
  readonly twice: boolean
}

/** What a node serves for a note when asked; `away`: it answers nonsense. */
type Served = { readonly version: number; readonly second: number } | 'none' | 'away'

export interface Plan extends Circumstances {
  /** Where it is `origin`, what counts of a note depends on edges and profiles, which are another lane's: only Bob moves those then, and no notes. */
  readonly authority: AuthorityMode
  readonly envelopes: readonly Envelope[]
  readonly served: Readonly<Record<'alice' | 'bob' | 'carol', readonly Served[]>>
}

const NOTES = 2
const POINTS = [
  ...[
    'accept',
    'takeLanes',
    'nextArrival',
    'apply',
    'announce',
    'settle',
    'finish',
    'deadLetter',
    'retryLater',
    'releaseLane',
  ],
  ...['renewLane', 'inboxState', 'read', 'changesAfter', 'readMany', 'dueTargets', 'takeDeliveries', 'deliveriesDone'],
  ...['deliveriesFailed', 'fetch', 'post'],
].flatMap((name) => [`before ${name}`, `after ${name}`])
/** What a subscriber received and the node does not know of is worth more than its share. */
const LOST_ANSWERS = Array.from({ length: 8 }, (_, index) => (index % 2 ? 'after post' : 'before deliveriesDone'))
const HANDLERS = ['rid', 'manifest', 'bundle', 'network', 'final'].map((phase) => `handler ${phase}`)

const second = fc.integer({ min: 0, max: 4 })
const version = fc.integer({ min: 0, max: POISON })
const noteMove = fc.record<Extract<Move, { kind: 'note' }>>({
  kind: fc.constant('note'),
  verb: fc.constantFrom('NEW', 'UPDATE', 'FORGET', 'FORGET', 'found'),
  note: fc.integer({ min: 0, max: NOTES - 1 }),
  version,
  second,
  shape: fc.constantFrom('whole', 'whole', 'whole', 'manifest', 'bare', 'lie'),
})
const profileMove = fc.record<Extract<Move, { kind: 'profile' }>>({
  kind: fc.constant('profile'),
  verb: fc.constantFrom('meet', 'meet', 'NEW', 'UPDATE', 'FORGET'),
  of: fc.constantFrom(undefined, undefined, undefined, 'alice' as const, 'carol' as const),
  version: fc.integer({ min: 0, max: 1 }),
  second,
})
const edgeMove = fc.record<Extract<Move, { kind: 'edge' }>>({
  kind: fc.constant('edge'),
  verb: fc.constantFrom('PROPOSED', 'PROPOSED', 'APPROVED', 'FORGET'),
  between: fc.constantFrom('out', 'out', 'in', 'in', 'node and carol', 'alice and bob'),
  types: fc.integer({ min: 0, max: 2 }),
  second,
})
const envelope = fc.record<Envelope>({
  from: fc.constantFrom(...NAMES),
  moves: fc.array(fc.oneof({ weight: 4, arbitrary: noteMove }, profileMove, edgeMove), { minLength: 1, maxLength: 3 }),
  twice: fc.boolean(),
})
const served = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ version: fc.integer({ min: 0, max: 2 }), second }) },
    fc.constantFrom('none' as const, 'away' as const),
  ),
  { minLength: NOTES, maxLength: NOTES },
)
const fault = fc.record<PlannedFault>({
  point: fc.constantFrom(...POINTS, ...HANDLERS, ...LOST_ANSWERS),
  nth: fc.integer({ min: 0, max: 9 }),
  kind: fc.constantFrom(...FAULTS),
})

export function plans(authority: AuthorityMode): fc.Arbitrary<Plan> {
  return fc.record({
    authority: fc.constant(authority),
    envelopes: fc.array(envelope, { minLength: 1, maxLength: 5 }),
    served: fc.record({ alice: served, bob: served, carol: served }),
    faults: fc.array(fault, { maxLength: 5 }),
    noise: fc.constantFrom(0, 0, 2, 10),
    seed: fc.nat(),
  })
}

/** What an envelope brings to the inbox. */
export function arrivalsOf({ from, moves }: Envelope, authority: AuthorityMode): readonly NewArrival[] {
  return moves.flatMap((move) => {
    if (authority === 'origin' && (from === 'bob') === (move.kind === 'note')) return []
    switch (move.kind) {
      case 'note':
        return noteArrival(from, move)
      case 'profile':
        // The node's own profile is made by its start, and no part of a history.
        return from === 'self' ? [] : profileArrivals(from, move)
      case 'edge':
        return from === 'self' ? [] : edgeArrivals(from, move)
    }
  })
}

function noteArrival(from: Name, move: Extract<Move, { kind: 'note' }>): NewArrival[] {
  const rid = noteRid(move.note)
  const bundle = noteBundle(move.note, move.version, move.second)
  if (from === 'self') {
    if (move.verb === 'FORGET') return [{ rid, eventType: 'FORGET' }]
    return [{ rid, eventType: 'NEW', contents: bundle.contents }]
  }
  const source = ridOf(from)
  if (move.verb === 'FORGET') return [{ rid, eventType: 'FORGET', source }]
  if (move.verb === 'found') return [{ rid, ...bundle, source }]
  const event = { rid, eventType: move.verb, source }
  switch (move.shape) {
    case 'whole':
      return [{ ...event, ...bundle }]
    case 'manifest':
      return [{ ...event, manifest: bundle.manifest }]
    case 'bare':
      return [event]
    case 'lie':
      return [{ ...event, ...bundle, contents: noteBundle(move.note, move.version + 1, 0).contents }]
  }
}

function profileArrivals(from: Name, { verb, of = from, version, second }: Extract<Move, { kind: 'profile' }>) {
  const bundle = profileBundle(of, version, second)
  const { rid } = bundle.manifest
  const source = ridOf(from)
  const forget: NewArrival = { rid, eventType: 'FORGET', source }
  if (verb === 'FORGET') return [forget]
  const told: NewArrival = { rid, eventType: verb === 'meet' ? 'NEW' : verb, ...bundle, source }
  return verb === 'meet' ? [forget, told] : [told]
}

function edgeArrivals(from: Name, { verb, between, types, second }: Extract<Move, { kind: 'edge' }>): NewArrival[] {
  const ends: Record<typeof between, readonly [Name, Name]> = {
    out: ['self', from],
    in: [from, 'self'],
    'node and carol': ['self', 'carol'],
    'alice and bob': ['alice', 'bob'],
  }
  const status = verb === 'APPROVED' ? verb : 'PROPOSED'
  const [source, target] = ends[between]
  const bundle = edgeBundle(source, target, { status, types, second })
  const { rid } = bundle.manifest
  if (verb === 'FORGET') return [{ rid, eventType: 'FORGET', source: ridOf(from) }]
  return [{ rid, eventType: verb === 'APPROVED' ? 'UPDATE' : 'NEW', ...bundle, source: ridOf(from) }]
}
