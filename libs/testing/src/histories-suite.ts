import fc from 'fast-check'
import { afterAll, beforeAll, describe, it, vi } from 'vitest'
import type { AuthorityMode } from '@koi-mcp/core'
import { checkHistory } from './histories/check-history.ts'
import { History } from './histories/history.ts'
import { plans } from './histories/plan.ts'
import type { Plan } from './histories/plan.ts'
import { randomFrom } from './histories/scheduler.ts'
import { servedBy } from './histories/served.ts'
import { BEGINNING } from './histories/world.ts'
import type { NodeStoreSubject } from './node-store-suite.ts'

const FAKED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] as const

export interface HistoryOptions {
  readonly authority: AuthorityMode
  readonly runs: number
  readonly seed?: number | undefined
  readonly path?: string | undefined
}

/**
 * Histories of a node that several processes work on while everything fails that can: each ends where one process ends that takes the same arrivals in
 * the order of their places. A failing one is printed as small as it can be made, with the seed and path that play it again.
 */
export function describeHistories(
  name: string,
  { open }: Pick<NodeStoreSubject, 'open'>,
  { authority, runs, seed, path }: HistoryOptions,
): void {
  describe(`histories: ${name}, authority ${authority}`, () => {
    beforeAll(() => {
      vi.useFakeTimers({ toFake: [...FAKED] })
    })
    afterAll(() => {
      vi.useRealTimers()
      vi.restoreAllMocks()
    })

    it('end where one process would that took the arrivals in order', async () => {
      const again = { ...(seed !== undefined && { seed }), ...(path !== undefined && { path }) }
      const property = fc.asyncProperty(plans(authority), (plan) => playAndCheck(plan, open))
      await fc.assert(property, { numRuns: runs, ...again })
    }, 1_800_000)
  })
}

async function playAndCheck(plan: Plan, open: NodeStoreSubject['open']): Promise<void> {
  vi.setSystemTime(BEGINNING)
  vi.spyOn(Math, 'random').mockImplementation(randomFrom(plan.seed))
  const store = await open(Date.now)
  const history = new History(plan, store)
  try {
    await checkHistory(await history.play(), { authority: plan.authority, client: servedBy(plan.served) })
  } catch (error) {
    if (error instanceof Error) error.message += `\n\n${history.scheduler.trace.join('\n')}`
    throw error
  } finally {
    vi.clearAllTimers()
    await store.close()
  }
}
