import type { Emissions, NewArrival, NodeStore } from '../store/node-store.ts'
import type { TraceBook } from './trace-book.ts'

/** The store, and what arrives in it belongs to the trace that is active then: an envelope to its sender's, what a handler emits to that of what it handles. */
export function storeWithTraces(store: NodeStore, traces: TraceBook): NodeStore {
  return new Proxy(store, {
    get: (target, name: keyof NodeStore) => {
      const call = target[name].bind(target) as (...args: readonly unknown[]) => unknown
      if (!BRINGS_ARRIVALS.has(name)) return call
      return async (...args: readonly unknown[]) => {
        const rids = args.flatMap(arrivalsIn).map(({ rid }) => rid)
        if (rids.length > 0) await traces.remember(rids)
        return call(...args)
      }
    },
  })
}

const BRINGS_ARRIVALS = new Set<keyof NodeStore>(['accept', 'apply', 'announce', 'settle', 'finish', 'deadLetter'])

/** Of an argument that is arrivals or emissions. */
function arrivalsIn(argument: unknown): readonly NewArrival[] {
  if (typeof argument !== 'object' || argument === null) return []
  if ('arrivals' in argument) return (argument as Emissions).arrivals
  return Array.isArray(argument) ? argument.filter(isArrival) : []
}

function isArrival(value: unknown): value is NewArrival {
  return typeof value === 'object' && value !== null && 'rid' in value
}
