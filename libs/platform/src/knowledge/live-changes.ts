import { nodeEventOf } from '@koi-mcp/core'
import type { KnowledgeChange } from '@koi-mcp/core'
import { KOI_NET_EDGE, ridTypeOf } from '@koi-mcp/protocol'
import type { Contents } from '@koi-mcp/protocol'
import type { ServiceNode } from '../service/service-node.ts'
import { liveEventOf } from './live-event.ts'
import type { LiveEvent } from './live-event.ts'

type Followed = Pick<ServiceNode, 'onChange' | 'knowledge'>

/**
 * Calls the listener for what happens in the whole node, whichever of its processes did it, in the order of the change log; `at` is when this process
 * learned of it. An edge is told as it is by now. Returns unsubscribe.
 */
export function followLiveChanges(node: Followed, listener: (event: LiveEvent) => void): () => void {
  let isFollowed = true
  let told = Promise.resolve()
  const unfollow = node.onChange((change) => {
    const at = Date.now()
    told = told.then(async () => {
      const contents = await contentsOfEdge(node, change)
      const { rid, eventType, origin: source } = change
      if (isFollowed) listener(liveEventOf(nodeEventOf({ rid, eventType, source, contents }, at)))
    })
  })
  return () => {
    isFollowed = false
    unfollow()
  }
}

/** Nothing where it is gone, or the store is away. */
async function contentsOfEdge(
  { knowledge }: Followed,
  { rid, eventType }: KnowledgeChange,
): Promise<Contents | undefined> {
  if (ridTypeOf(rid) !== KOI_NET_EDGE.name || eventType === 'FORGET') return undefined
  const stored = await knowledge.read(rid).catch(() => undefined)
  return stored?.bundle.contents
}
