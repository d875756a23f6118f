import { LeaseLostError, StoreError } from '@koi-mcp/core'
import type { NodeStore } from '@koi-mcp/core'
import type { Actor, Scheduler } from './scheduler.ts'

/** Called when a step was made: its name, arguments and result. */
export type StepListener = (name: string, args: readonly unknown[], result: unknown) => void

export const UNDER_A_LEASE = new Set([
  'nextArrival',
  'apply',
  'announce',
  'settle',
  'finish',
  'retryLater',
  'deadLetter',
  'renewLane',
  'renewDeliveries',
  'deliveriesDone',
  'deliveriesFailed',
])

/** Looks for work: where they find none, failing behind them is failing before them. */
export const LOOKS = new Set(['takeLanes', 'dueTargets', 'takeDeliveries', 'renewDeliveries'])

export const outage = () => new StoreError('UNAVAILABLE', 'the store is away')
export const lost = () => new LeaseLostError('the lease is lost')

/**
 * The store as one process of a node sees it: each call pauses before and behind the real one, where the scheduler may let others go first, fail the
 * call, or end the process. Half of the wake-ups are lost. A call that fails before has done nothing; one that fails behind has done it all, and the caller does not know.
 */
export function gatedStore(store: NodeStore, actor: Actor, scheduler: Scheduler, onStep: StepListener): NodeStore {
  return new Proxy(store, {
    get: (target, name: keyof NodeStore) => {
      if (name === 'onWake') {
        const onWake: NodeStore['onWake'] = (listener) =>
          target.onWake((wake) => actor.alive && !scheduler.losesWakeUp() && listener(wake))
        return onWake
      }
      return async (...args: readonly unknown[]) => {
        await scheduler.pass(actor, `before ${name}`, { outage, lost: UNDER_A_LEASE.has(name) ? lost : undefined })
        const call = target[name].bind(target) as (...args: readonly unknown[]) => Promise<unknown>
        const result = await scheduler.inside(() => call(...args))
        onStep(name, args, result)
        if (!LOOKS.has(name) || hasFound(result)) await scheduler.pass(actor, `after ${name}`, { outage })
        return result
      }
    },
  })
}

export function hasFound(result: unknown): boolean {
  return Array.isArray(result) ? result.length > 0 : result !== undefined
}
