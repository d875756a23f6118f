import { backoffMs, HANDLER_BACKOFF } from '../network/backoff.ts'
import { STOP_CHAIN } from '../pipeline/handler.ts'
import type { HandlerFunction, HandlerResult, ProcessorContext } from '../pipeline/handler.ts'
import type { KnowledgeObject } from '../pipeline/knowledge-object.ts'
import { PermanentError, TransientError } from './handler-errors.ts'

export interface RobustHandlerOptions {
  /** Runs of one piece of knowledge before `handleFailure`, at most as many as the node allows; default those (`network.max_retries`). */
  readonly maxRetries?: number
  /** Each wait is about this many times the one before, the first one a second; default that of the node (`network.backoff_factor`). */
  readonly backoffFactor?: number
}

/**
 * A handler that is tried again. Nothing sleeps here: attempts are counted in the node's store, so they outlive the process, and
 * the knowledge waits in its lane until the next one is due.
 *
 *     class Enrich extends RobustKnowledgeHandler { async handle(processor, kobj) { … } }
 *     processor.registerHandler(HandlerType.Bundle, { ridTypes }, new Enrich().handler)
 */
export abstract class RobustKnowledgeHandler {
  readonly maxRetries: number | undefined
  readonly backoffFactor: number | undefined

  constructor(options: RobustHandlerOptions = {}) {
    this.maxRetries = options.maxRetries
    this.backoffFactor = options.backoffFactor
  }

  /** Throw a `TransientError` to be called again, a `PermanentError` to give up at once. */
  abstract handle(processor: ProcessorContext, kobj: KnowledgeObject): HandlerResult | Promise<HandlerResult>

  /** What to register with a processor. */
  get handler(): HandlerFunction {
    return (processor, kobj) => this.handleWithRetry(processor, kobj)
  }

  /** @throws TransientError while tries are left; errors of neither kind pass through */
  async handleWithRetry(processor: ProcessorContext, kobj: KnowledgeObject): Promise<HandlerResult> {
    const { attempt } = processor
    try {
      return await this.handle(processor, kobj)
    } catch (error) {
      if (error instanceof TransientError) {
        // The node gives up without asking us once its own limit is reached, so failure is handled before that.
        if (attempt < Math.min(this.maxRetries ?? Infinity, processor.maxAttempts)) throw this.#again(error, attempt)
        processor.log.error(`gave up on ${kobj.rid} after ${attempt} attempts: ${error.message}`, { rid: kobj.rid })
        return await this.handleFailure(processor, kobj, error)
      }
      if (error instanceof PermanentError) {
        processor.log.error(`cannot handle ${kobj.rid}: ${error.message}`, { rid: kobj.rid, code: error.code })
        return await this.handleFailure(processor, kobj, error)
      }
      throw error
    }
  }

  /** What becomes of knowledge that could not be handled: by default it is kept among the dead letters, and its pipeline ends. */
  handleFailure(
    processor: ProcessorContext,
    _kobj: KnowledgeObject,
    error: TransientError | PermanentError,
  ): HandlerResult | Promise<HandlerResult> {
    processor.deadLetter(error)
    return STOP_CHAIN
  }

  #again(error: TransientError, attempt: number): TransientError {
    if (error.delayMs !== undefined || this.backoffFactor === undefined) return error
    const delayMs = backoffMs(attempt, { ...HANDLER_BACKOFF, factor: this.backoffFactor })
    return new TransientError(error.message, { code: error.code, cause: error, delayMs })
  }
}
