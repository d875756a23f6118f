import { referenceRidProblem, ridTypeOf } from '@koi-mcp/protocol'
import type { Item, KoiEvent, Rid } from '@koi-mcp/protocol'
import { droppedEvent } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { ArrivalWay, EventRefusal, NodeObserver } from '../node-observer.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NewArrival } from '../store/node-store.ts'

export interface ArrivalRules {
  /** This node: nobody else may speak about it. */
  readonly self: Rid
  /** Longer RIDs end nodes of the reference, so they are neither kept nor passed on; default 187 UTF-8 bytes. */
  readonly maxRidBytes?: number | undefined
  /** Who may speak about which types; default: anyone about any. */
  readonly peers?: PeerList | undefined
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  /** Default: they called. */
  readonly way?: ArrivalWay | undefined
}

/** Why nothing is taken, for people and in a word. */
export interface EventProblem {
  readonly reason: EventRefusal
  readonly text: string
}

const LOGGED = 10

/**
 * Events of another node as arrivals, in order. A bad event is left out and said so in the log, never the reason to refuse the others: a
 * peer would send the refused batch again for ever (wire document, Living with real peers).
 */
export function arrivalsOf(events: readonly Item<KoiEvent>[], source: Rid, rules: ArrivalRules): readonly NewArrival[] {
  const arrivals: NewArrival[] = []
  let dropped = 0
  for (const item of events) {
    const problem: EventProblem | undefined =
      item.error === undefined
        ? problemOf(item.ok.rid, source, rules)
        : { reason: 'malformed', text: item.error.message }
    if (problem === undefined && item.error === undefined) {
      const { rid, event_type: eventType, manifest, contents } = item.ok
      // Some say with a FORGET what is to go: it all goes.
      arrivals.push(
        eventType === 'FORGET' ? { rid, eventType, source } : { rid, eventType, manifest, contents, source },
      )
      continue
    }
    dropped += 1
    const rid = item.error === undefined ? item.ok.rid : item.rid
    const fields = { peer: source, rid: rid?.slice(0, 300), error: problem?.text }
    const { way = 'broadcast' } = rules
    droppedEvent(rules, { way, reason: problem?.reason ?? 'malformed', fields, logged: dropped <= LOGGED })
  }
  if (dropped > LOGGED)
    rules.log.warn('dropped more events of the same envelope', { peer: source, count: dropped - LOGGED })
  return arrivals
}

/** Why nothing of another node about this RID is taken. */
export function problemOf(
  rid: Rid,
  source: Rid,
  { self, peers, maxRidBytes }: Pick<ArrivalRules, 'self' | 'peers' | 'maxRidBytes'>,
): EventProblem | undefined {
  if (rid === self) return { reason: 'about_us', text: 'only this node speaks about itself' }
  const unfit = referenceRidProblem(rid, maxRidBytes)
  if (unfit !== undefined) return { reason: 'unfit_rid', text: unfit }
  const type = ridTypeOf(rid)
  if (peers?.allows(source, type) !== false) return undefined
  return { reason: 'not_listed', text: `that node is not listed for ${type} (security.peer_types)` }
}
