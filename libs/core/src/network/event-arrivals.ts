import { referenceRidProblem, ridTypeOf } from '@koi-mcp/protocol'
import type { Item, KoiEvent, Rid } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
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
    const problem = item.error === undefined ? problemOf(item.ok.rid, source, rules) : item.error.message
    if (item.error === undefined && problem === undefined) {
      const { rid, event_type: eventType, manifest, contents } = item.ok
      // Some say with a FORGET what is to go: it all goes.
      arrivals.push(
        eventType === 'FORGET' ? { rid, eventType, source } : { rid, eventType, manifest, contents, source },
      )
      continue
    }
    dropped += 1
    if (dropped > LOGGED) continue
    const rid = item.error === undefined ? item.ok.rid : item.rid
    rules.log.warn('dropped an event', { peer: source, rid: rid?.slice(0, 300), error: problem })
  }
  if (dropped > LOGGED)
    rules.log.warn('dropped more events of the same envelope', { peer: source, count: dropped - LOGGED })
  return arrivals
}

/** Why nothing of another node about this RID is taken. */
export function problemOf(
  rid: Rid,
  source: Rid,
  { self, peers, maxRidBytes }: Omit<ArrivalRules, 'log'>,
): string | undefined {
  if (rid === self) return 'only this node speaks about itself'
  const unfit = referenceRidProblem(rid, maxRidBytes)
  if (unfit !== undefined) return unfit
  if (peers?.allows(source, ridTypeOf(rid)) === false)
    return `that node is not listed for ${ridTypeOf(rid)} (security.peer_types)`
  return undefined
}
