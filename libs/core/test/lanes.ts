import type { LaneLease, NodeStore } from '../src/store/node-store.ts'

/** A lane that has due work, for a test that works it off itself. */
export async function takeLane(store: NodeStore): Promise<LaneLease | undefined> {
  const [taken] = await store.takeLanes('test', 1_000, 1)
  return taken?.lease
}
