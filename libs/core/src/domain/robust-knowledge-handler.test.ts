import { afterEach, describe, expect, it, vi } from 'vitest'
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

afterEach(() => {
  vi.restoreAllMocks()
})

describe('RobustKnowledgeHandler', () => {
  it('gives what handle gives', async () => {
    const changed = { ...KOBJ, networkTargets: new Set([KOBJ.rid]) }
    expect(await new Handler(changed).handler(processor(1), KOBJ)).toBe(changed)
  })

  it('leaves the wait and the number of attempts to the node', async () => {
    const error = new TransientError('busy', { code: 'BUSY' })
    const context = processor(9)
    expect(await rejection(new Handler(error).handleWithRetry(context, KOBJ))).toBe(error)
    expect(context.dead).toEqual([])
    expect(await new Handler(error).handleWithRetry(processor(10), KOBJ)).toBe(STOP_CHAIN)
  })

  it.each([
    [1, 0, 800],
    [1, 1, 1_000],
    [2, 0, 1_600],
    [4, 1, 8_000],
    [9, 1, 256_000],
    [10, 1, 300_000],
  ])(
    'waits by its own factor after attempt %i, a fifth of it left to chance (%d): %i ms',
    async (attempt, random, delayMs) => {
      vi.spyOn(Math, 'random').mockReturnValue(random)
      const cause = new TransientError('busy', { code: 'BUSY' })
      const handler = new Handler(cause, { backoffFactor: 2 })
      const error = await rejection(handler.handleWithRetry(processor(attempt, 11), KOBJ))
      expect(error).toBeInstanceOf(TransientError)
      expect(error).toMatchObject({ message: 'busy', code: 'BUSY', delayMs, cause })
    },
  )

  it('takes the delay and the limits it is told', async () => {
    const error = new TransientError('busy', { delayMs: 7 })
    expect(await rejection(new Handler(error, { backoffFactor: 2 }).handleWithRetry(processor(1), KOBJ))).toBe(error)
    const few = new Handler(error, { maxRetries: 5 })
    expect(await rejection(few.handleWithRetry(processor(4), KOBJ))).toBe(error)
    expect(await few.handleWithRetry(processor(5), KOBJ)).toBe(STOP_CHAIN)
  })

  it('gives up at the last attempt: a dead letter, and the chain ends', async () => {
    const error = new TransientError('busy')
    const context = processor(3, 3)
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
