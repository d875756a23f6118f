import type { NodeStore } from '@koi-mcp/core'
import { hasFound, LOOKS, lost, outage, UNDER_A_LEASE } from '../gated-store.ts'
import type { Hazards } from './hazards.ts'
import { LEASE_MS } from './hazards.ts'
import type { Journal } from './journal.ts'

/** The real store as a process in danger sees it: see `gatedStore`. Leases are short, and what waits does not wait long. */
export function hazardousStore(store: NodeStore, hazards: Hazards, journal: Journal): NodeStore {
  return new Proxy(store, {
    get: (target, name: keyof NodeStore) => {
      if (name === 'onWake') return target.onWake.bind(target)
      return async (...args: readonly unknown[]) => {
        await hazards.pass(`before ${name}`, { outage, lost: UNDER_A_LEASE.has(name) ? lost : undefined })
        const call = target[name].bind(target) as (...args: readonly unknown[]) => Promise<unknown>
        const began = now()
        const result = await call(...hastened(name, args))
        journal.step(name, args, result, { began, ended: now() })
        if (!LOOKS.has(name) || hasFound(result)) await hazards.pass(`after ${name}`, { outage })
        return result
      }
    },
  })
}

/** In nanoseconds, by the clock that all processes of the machine have. */
function now(): number {
  return Number(process.hrtime.bigint())
}

/** How many times sooner than it says something that waits is due. */
const HASTE = 20

function hastened(name: keyof NodeStore, args: readonly unknown[]): readonly unknown[] {
  switch (name) {
    case 'takeLanes':
    case 'renewLane':
    case 'renewDeliveries':
      return [args[0], LEASE_MS, ...args.slice(2)]
    case 'takeDeliveries':
      return [args[0], { ...(args[1] as object), leaseMs: LEASE_MS }]
    case 'retryLater':
    case 'deliveriesFailed': {
      const [failure] = args.slice(-1) as [{ readonly dueAt: number }]
      const now = Date.now()
      return [...args.slice(0, -1), { ...failure, dueAt: Math.ceil(now + (failure.dueAt - now) / HASTE) }]
    }
    default:
      return args
  }
}
