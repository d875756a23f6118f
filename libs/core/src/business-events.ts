import { KOI_NET_NODE, ridTypeOf } from '@koi-mcp/protocol'
import type { EndpointPath, EventType, Rid } from '@koi-mcp/protocol'
import { SchemaError } from './domain/schema-problems.ts'
import type { LogFields, Logger } from './logger.ts'
import { PublishError } from './nodes/publishing.ts'
import type { ArrivalWay, EventRefusal, NodeObserver, RequestRefusal } from './node-observer.ts'

/** Who hears of what happens in a node; the options of its parts fit it. */
export interface Told {
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
}

// One function for each business event: its log line and its count together.

/** Of an envelope that came. */
export function tookEvents(
  { log, observer }: Told,
  source: Rid,
  { received, accepted, repeated }: { received: number; accepted: number; repeated: boolean },
): void {
  observer?.eventsTaken('broadcast', received, accepted)
  if (repeated) log.info('an envelope came again, nothing changed', { peer: source })
  else if (accepted > 0) log.debug('took events', { peer: source, count: accepted })
}

/** `logged`: of many in one envelope only the first are told one by one. */
export function droppedEvent(
  { log, observer }: Told,
  { way, reason, fields, logged }: { way: ArrivalWay; reason: EventRefusal; fields: LogFields; logged: boolean },
): void {
  observer?.eventRefused(way, reason)
  if (logged) log.warn('dropped an event', fields)
}

const REFUSED: Readonly<Record<RequestRefusal, readonly ['info' | 'error', string]>> = {
  malformed: ['info', 'refused a malformed request'],
  unknown_node: ['info', 'refused an envelope'],
  invalid_key: ['info', 'refused an envelope'],
  invalid_signature: ['info', 'refused an envelope'],
  invalid_target: ['info', 'refused an envelope'],
  not_listed: ['info', 'refused a node that is not listed'],
  store_away: ['error', 'cannot answer, the store is not available'],
  internal: ['error', 'failed to answer a request'],
}

export function refusedRequest(
  { log, observer }: Told,
  path: EndpointPath,
  reason: RequestRefusal,
  fields: LogFields,
): void {
  observer?.requestRefused(path, reason)
  const [level, message] = REFUSED[reason]
  log[level](message, { path, ...fields })
}

/** What was applied has its line from whoever listens (`NodeEvent`). */
export function appliedChange({ observer }: Told, rid: Rid, event: EventType, source: Rid | undefined): void {
  if (observer === undefined) return
  const type = ridTypeOf(rid)
  observer.applied(event, type)
  // A node that introduces itself says FORGET and NEW of itself.
  if (type === KOI_NET_NODE.name && event === 'NEW' && source === rid) observer.handshake('in')
}

export function introducedOurselves({ log, observer }: Told, peer: Rid): void {
  observer?.handshake('out')
  log.info('handshake', { peer })
}

export function calledPeer(
  { log, observer }: Told,
  peer: Rid,
  {
    path,
    url,
    status,
    outcome,
    seconds,
  }: { path: EndpointPath; url: string; status: number | undefined; outcome: string; seconds: number },
): void {
  observer?.called(path, outcome, seconds)
  if (status !== undefined) log.debug('called', { peer, url, status })
}

export function delivered({ log, observer }: Told, peer: Rid, count: number): void {
  observer?.delivery('delivered', count)
  log.debug('delivered', { peer, count })
}

/** Said aloud the first time; `waitMs` until the next one. */
export function couldNotDeliver(
  { log, observer }: Told,
  peer: Rid,
  { count, failures, error, waitMs }: { count: number; failures: number; error: string; waitMs: number },
): void {
  observer?.delivery('failed', count)
  log[failures === 0 ? 'warn' : 'debug']('could not deliver, will try again', { peer, error, waitMs })
}

export function deliveredLate({ log, observer }: Told, peer: Rid, count: number): void {
  observer?.delivery('late', count)
  log.warn('events went out late, what they are about is told again', { peer, count })
}

/** Own knowledge goes into the inbox; what `work` throws is counted and passed on. */
export async function publishing<T>(
  { observer }: Pick<Told, 'observer'>,
  operation: 'publish' | 'forget',
  work: () => Promise<T>,
): Promise<T> {
  if (observer === undefined) return work()
  try {
    const done = await work()
    observer.published(operation, 'accepted')
    return done
  } catch (error) {
    observer.published(operation, error instanceof PublishError || error instanceof SchemaError ? 'refused' : 'failed')
    throw error
  }
}

export function answeredPoll({ log, observer }: Told, peer: Rid, count: number, sent: boolean): void {
  if (sent) observer?.polled(count)
  log.debug(sent ? 'polled' : 'a poll was not answered to its end', { peer, count })
}
