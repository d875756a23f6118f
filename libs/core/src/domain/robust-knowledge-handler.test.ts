import { describe, expect, it } from 'vitest'
import { asRid } from '@koi-mcp/protocol'
import { silentLogger } from '../logger.ts'
import { STOP_CHAIN } from '../pipeline/handler.ts'
import type { HandlerResult, ProcessorContext } from '../pipeline/handler.ts'
import type { KnowledgeObject } from '../pipeline/knowledge-object.ts'
import { PermanentError, TransientError } from './handler-errors.ts'
import { RobustKnowledgeHandler } from './robust-knowledge-handler.ts'
import type { RobustHandlerOptions } from './robust-knowledge-handler.ts'

const KOBJ: KnowledgeObject = { rid: asRid('orn:test.thing:a'), networkTargets: new Set() }

class Handler extends RobustKnowledgeHandler {
  readonly #outcome: Error | KnowledgeObject
  constructor(outcome: Error | KnowledgeObject, options?: RobustHandlerOptions) {
    super(options)
    this.#outcome = outcome
  }
  handle(): HandlerResult {
    if (this.#outcome instanceof Error) throw this.#outcome
    return this.#outcome
  }
}

function processor(attempt: number, maxAttempts = 10): ProcessorContext & { readonly dead: Error[] } {
  const dead: Error[] = []
  const deadLetter = (error: Error): void => void dead.push(error)
  return { attempt, maxAttempts, log: silentLogger, deadLetter, dead } as unknown as ProcessorContext & {
    dead: Error[]
  }
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('RobustKnowledgeHandler', () => {
  it('gives what handle gives', async () => {
    const changed = { ...KOBJ, networkTargets: new Set([KOBJ.rid]) }
    expect(await new Handler(changed).handler(processor(1), KOBJ)).toBe(changed)
  })

  it.each([
    [1, 1_000],
    [2, 1_500],
  ])('asks for another try after attempt %i, in %i ms', async (attempt, delayMs) => {
    const cause = new TransientError('busy', { code: 'BUSY' })
    const context = processor(attempt)
    const error = await rejection(new Handler(cause).handleWithRetry(context, KOBJ))
    expect(error).toBeInstanceOf(TransientError)
    expect(error).toMatchObject({ message: 'busy', code: 'BUSY', delayMs, cause })
    expect(context.dead).toEqual([])
  })

  it('takes the delay and the limits it is told', async () => {
    const error = new TransientError('busy', { delayMs: 7 })
    expect(await rejection(new Handler(error).handleWithRetry(processor(1), KOBJ))).toBe(error)
    const slow = new Handler(new TransientError('busy'), { maxRetries: 5, backoffFactor: 2 })
    expect(await rejection(slow.handleWithRetry(processor(4), KOBJ))).toMatchObject({ delayMs: 8_000 })
    expect(await slow.handleWithRetry(processor(5), KOBJ)).toBe(STOP_CHAIN)
  })

  it('gives up at the last attempt: a dead letter, and the chain ends', async () => {
    const error = new TransientError('busy')
    const context = processor(3)
    expect(await new Handler(error).handleWithRetry(context, KOBJ)).toBe(STOP_CHAIN)
    expect(context.dead).toEqual([error])
  })

  it('gives up before the node does', async () => {
    const context = processor(2, 2)
    expect(await new Handler(new TransientError('busy')).handleWithRetry(context, KOBJ)).toBe(STOP_CHAIN)
    expect(context.dead).toHaveLength(1)
  })

  it('gives up at once on a permanent error', async () => {
    const error = new PermanentError('broken')
    const context = processor(1)
    expect(await new Handler(error).handleWithRetry(context, KOBJ)).toBe(STOP_CHAIN)
    expect(context.dead).toEqual([error])
  })

  it('lets a subclass say what failure means', async () => {
    class Tolerant extends Handler {
      override handleFailure(_processor: ProcessorContext, kobj: KnowledgeObject): HandlerResult {
        return kobj
      }
    }
    const context = processor(1)
    expect(await new Tolerant(new PermanentError('broken')).handleWithRetry(context, KOBJ)).toBe(KOBJ)
    expect(context.dead).toEqual([])
  })

  it('leaves other errors to the pipeline', async () => {
    const bug = new TypeError('bug')
    expect(await rejection(new Handler(bug).handleWithRetry(processor(1), KOBJ))).toBe(bug)
  })
})
