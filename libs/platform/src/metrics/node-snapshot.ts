import type { JobCounts, LapsedTarget, OutboxTargetState, WorkKind } from '@koi-mcp/core'
import { lostDependencies } from '../health/lost-dependencies.ts'
import { inTime } from '../service/in-time.ts'
import type { Service } from '../service/service.ts'

/** What is asked of store and queue for one scrape; `undefined` = no answer. */
export interface NodeSnapshot {
  readonly inbox: { readonly pending: number; readonly deadLetters: number } | undefined
  readonly outbox: readonly OutboxTargetState[] | undefined
  readonly lapsed: readonly LapsedTarget[] | undefined
  readonly bundles: ReadonlyMap<string, number> | undefined
  readonly jobs: Readonly<Record<WorkKind, JobCounts>> | undefined
  readonly lost: readonly string[] | undefined
}

type Asked = Pick<Service, 'node' | 'settings' | 'readiness'>

/** A snapshot serves all scrapes of so many milliseconds: they cost the store little, however many ask. */
const FRESH_MS = 1_000
/** Well within what a scrape waits. */
const ANSWER_MS = 2_000
const NOTHING: NodeSnapshot = {
  inbox: undefined,
  outbox: undefined,
  lapsed: undefined,
  bundles: undefined,
  jobs: undefined,
  lost: undefined,
}

/** Looks into store and queue at most once a second. Never rejects: what does not answer in time is left out. */
export function snapshots(service: Asked): () => Promise<NodeSnapshot> {
  let taken: Promise<NodeSnapshot> | undefined
  let takenAt = -Infinity
  return () => {
    if (taken === undefined || performance.now() - takenAt >= FRESH_MS) {
      takenAt = performance.now()
      taken = takeSnapshot(service)
    }
    return taken
  }
}

async function takeSnapshot({ node, settings, readiness }: Asked): Promise<NodeSnapshot> {
  if (readiness.state === 'starting') return NOTHING
  try {
    const { store, queue, knowledge } = node
    const [inbox, outbox, lapsed, bundles, jobs, lost] = await Promise.all([
      inTime(store.inboxState(), ANSWER_MS),
      inTime(store.outboxState(), ANSWER_MS),
      inTime(store.lapsedTargets(), ANSWER_MS),
      inTime(knowledge.countByType(), ANSWER_MS),
      inTime(queue.counts(), ANSWER_MS),
      inTime(lostDependencies({ node, settings }), ANSWER_MS),
    ])
    return { inbox, outbox, lapsed, bundles, jobs, lost }
  } catch {
    return NOTHING // The node has stopped.
  }
}
