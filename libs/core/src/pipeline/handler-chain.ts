import type { EventType } from '@koi-mcp/protocol'
import { ridTypeOf } from '@koi-mcp/protocol'
import { PermanentError } from '../domain/handler-errors.ts'
import type {
  HandlerFilter,
  HandlerFunction,
  HandlerType,
  KnowledgeProcessor,
  ProcessorContext,
  StopChain,
} from './handler.ts'
import { STOP_CHAIN } from './handler.ts'
import type { KnowledgeObject } from './knowledge-object.ts'

interface RegisteredHandler {
  readonly type: HandlerType
  readonly name: string
  readonly ridTypes: ReadonlySet<string> | undefined
  readonly eventTypes: ReadonlySet<EventType> | undefined
  readonly handle: HandlerFunction
}

/** The handlers of a node, in the order of their registration. */
export class HandlerChain implements KnowledgeProcessor {
  readonly #handlers: RegisteredHandler[] = []

  registerHandler(type: HandlerType, handler: HandlerFunction): void
  registerHandler(type: HandlerType, filter: HandlerFilter, handler: HandlerFunction): void
  registerHandler(type: HandlerType, filterOrHandler: HandlerFilter | HandlerFunction, last?: HandlerFunction): void {
    const filter = typeof filterOrHandler === 'function' ? {} : filterOrHandler
    const handle = typeof filterOrHandler === 'function' ? filterOrHandler : last
    if (handle === undefined) throw new TypeError(`registerHandler(${type}, filter, handler): the handler is missing`)
    this.#handlers.push({
      type,
      name: filter.name ?? (handle.name || 'anonymous'),
      ridTypes: filter.ridTypes && new Set(filter.ridTypes.map((ridType) => ridType.name)),
      eventTypes: filter.eventTypes && new Set(filter.eventTypes),
      handle,
    })
  }

  /** Whether the phase has a handler for the object, other than the one named. */
  concerns(type: HandlerType, { rid, eventType }: KnowledgeObject, besides?: HandlerFunction): boolean {
    const ridType = ridTypeOf(rid)
    return this.#handlers.some(
      (handler) => handler.type === type && handler.handle !== besides && passes(handler, ridType, eventType),
    )
  }

  /**
   * Calls the handlers of one phase that the object passes the filters of, each with what the one before it returned.
   * @param ended called after each that did not fail
   */
  async run(
    type: HandlerType,
    start: KnowledgeObject,
    context: ProcessorContext,
    ended?: () => void,
  ): Promise<KnowledgeObject | StopChain> {
    const ridType = ridTypeOf(start.rid)
    let kobj = start
    for (const handler of this.#handlers) {
      if (handler.type !== type) continue
      if (!passes(handler, ridType, kobj.eventType)) continue
      const result = await handler.handle(context, kobj)
      if (result === STOP_CHAIN) {
        context.log.debug('stopped', { rid: kobj.rid, handler: handler.name, phase: type })
        return STOP_CHAIN
      }
      if (result === undefined) {
        ended?.()
        continue
      }
      if (typeof result !== 'object') {
        throw new PermanentError(
          `handler ${handler.name} returned ${String(result)}: return a knowledge object, STOP_CHAIN or nothing`,
        )
      }
      if (result.rid !== kobj.rid) throw new PermanentError(`handler ${handler.name} changed the RID ${kobj.rid}`)
      ended?.()
      kobj = result
    }
    return kobj
  }
}

function passes(
  { ridTypes, eventTypes }: RegisteredHandler,
  ridType: string,
  eventType: EventType | undefined,
): boolean {
  if (ridTypes && !ridTypes.has(ridType)) return false
  return eventTypes === undefined || (eventType !== undefined && eventTypes.has(eventType))
}
