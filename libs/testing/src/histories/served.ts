import { PeerError } from '@koi-mcp/core'
import type { PeerClient } from '@koi-mcp/core'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import type { Plan } from './plan.ts'
import { noteBundle, noteRid, ridOf } from './world.ts'

export type FetchClient = Pick<PeerClient, 'fetchManifests' | 'fetchBundles'>

/** The other nodes' answers to fetches, the same at all times. */
export function servedBy(served: Plan['served']): FetchClient {
  const bundles = (node: Rid, rids: readonly Rid[]): readonly Bundle[] => {
    const notes = Object.entries(served).find(([name]) => ridOf(name as keyof Plan['served']) === node)?.[1] ?? []
    return notes.flatMap((answer, note) => {
      if (!rids.includes(noteRid(note)) || answer === 'none') return []
      if (answer === 'away') throw new PeerError('BAD_REPLY', node, 'nonsense', { retryable: false })
      return [noteBundle(note, answer.version, answer.second)]
    })
  }
  return {
    fetchManifests: async (node, { rids = [] }) => {
      await Promise.resolve()
      return { manifests: bundles(node, rids).map(({ manifest }) => manifest), notFound: [] }
    },
    fetchBundles: async (node, rids) => {
      await Promise.resolve()
      return { bundles: bundles(node, rids), notFound: [], deferred: [] }
    },
  }
}
