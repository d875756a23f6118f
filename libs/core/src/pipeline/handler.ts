import type { EventType, Rid, RidType } from '@koi-mcp/protocol'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import type { NewArrival, StoredBundle } from '../store/node-store.ts'
import type { KnowledgeObject } from './knowledge-object.ts'

/** The five phases of the pipeline at which handlers are called, in this order. */
export const HandlerType = {
  Rid: 'rid',
  Manifest: 'manifest',
  Bundle: 'bundle',
  Network: 'network',
  Final: 'final',
} as const
export type HandlerType = (typeof HandlerType)[keyof typeof HandlerType]

/** Returned by a handler: the pipeline ends here for this object. */
export const STOP_CHAIN: unique symbol = Symbol('STOP_CHAIN')
export type StopChain = typeof STOP_CHAIN

/** A changed object, nothing (unchanged), or STOP_CHAIN. */
export type HandlerResult = KnowledgeObject | StopChain | undefined | void

/** Which objects a handler is called for; an absent filter lets everything through. */
export interface HandlerFilter {
  readonly name?: string
  readonly ridTypes?: readonly RidType[]
  /** Compared with the event type as received (absent for knowledge found by catch-up). */
  readonly eventTypes?: readonly EventType[]
}

export type HandlerFunction = (
  processor: ProcessorContext,
  kobj: KnowledgeObject,
) => HandlerResult | Promise<HandlerResult>

/** Where handlers are registered; called in the order of registration within their phase. */
export interface KnowledgeProcessor {
  registerHandler(type: HandlerType, handler: HandlerFunction): void
  registerHandler(type: HandlerType, filter: HandlerFilter, handler: HandlerFunction): void
}

/**
 * What a running handler may use (the `processor` argument of the source document). What it pushes or sends is committed
 * together with the step of the pipeline it runs in, and with it or not at all.
 */
export interface ProcessorContext {
  readonly identity: NodeIdentity
  readonly graph: NodeGraph
  readonly log: Logger
  readonly signal: AbortSignal
  /** 1 on the first run of this object, one more after each TransientError. */
  readonly attempt: number
  readonly maxAttempts: number
  read(rid: Rid): Promise<StoredBundle | undefined>
  listRids(types: readonly string[]): Promise<readonly Rid[]>
  /** A new arrival of this node: its own knowledge (contents, stamped on commit), a FORGET, or an RID to be fetched from `source`. */
  push(arrival: NewArrival): void
  /** Sends an event to one node past the pipeline. */
  send(
    target: Rid,
    event: { readonly eventType: EventType; readonly rid: Rid; readonly bundle?: StoredBundle['bundle'] | undefined },
  ): void
  /** Puts the object among the dead letters with this error, whatever the handler returns. */
  deadLetter(error: Error): void
}
