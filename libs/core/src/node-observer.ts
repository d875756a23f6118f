import type { EndpointPath, EventType } from '@koi-mcp/protocol'

/** How events of other nodes come in: they call, or are asked. */
export type ArrivalWay = 'broadcast' | 'poll'

/** Why an event of another node was left out: it speaks about this node, its RID fits no store of the reference, it may not, or it cannot be read. */
export type EventRefusal = 'about_us' | 'unfit_rid' | 'not_listed' | 'malformed'

/** Why a call of another node was not answered as asked. */
export type RequestRefusal =
  | 'malformed'
  | 'unknown_node'
  | 'invalid_key'
  | 'invalid_signature'
  | 'invalid_target'
  | 'not_listed'
  | 'store_away'
  | 'internal'

/** `ignored`: nothing had to change. `retried`: a handler asked for another attempt. */
export type HandledResult = 'applied' | 'ignored' | 'retried' | 'dead_letter'

/** `halved`: refused, and sent again in smaller parts. `late`: it may have come behind what another process sent. */
export type DeliveryOutcome = 'delivered' | 'failed' | 'halved' | 'late'

/**
 * Told of every business event of a node, once, as it happens: for counters. Methods return at once and do not throw. Times in seconds. What may be
 * anything (RID types) is for the observer to bound.
 */
export interface NodeObserver {
  /** Of an envelope or a poll: events that came, and those of them that are in the inbox. */
  eventsTaken(way: ArrivalWay, received: number, accepted: number): void
  eventRefused(way: ArrivalWay, reason: EventRefusal): void
  requestRefused(path: EndpointPath, reason: RequestRefusal): void
  /** A change of the cache is durable. */
  applied(event: EventType, ridType: string): void
  /** One run of an arrival through the pipeline. */
  handled(result: HandledResult, seconds: number): void
  /** An envelope to a subscriber, with so many events. */
  delivery(outcome: DeliveryOutcome, events: number): void
  /** Events that a poll of another node took with it. */
  polled(events: number): void
  /** `out`: this node introduced itself. `in`: another did, and is known now. */
  handshake(direction: 'in' | 'out'): void
  /** A call to another node: `ok`, or the code of its `PeerError`. */
  called(path: EndpointPath, outcome: string, seconds: number): void
  /** This node's own knowledge was published or forgotten, or its input refused. */
  published(operation: 'publish' | 'forget', outcome: 'accepted' | 'refused' | 'failed'): void
}
