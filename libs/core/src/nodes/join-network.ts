import { nodeProfileContents, sha256Contents } from '@koi-mcp/protocol'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import type { Subscriptions } from '../pipeline/subscriptions.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NewArrival, NodeStore } from '../store/node-store.ts'
import type { NodeParts } from './node-parts.ts'

export interface JoinOptions {
  readonly identity: NodeIdentity
  readonly store: NodeStore
  readonly parts: NodeParts
  readonly subscriptions: Subscriptions
  readonly peers: PeerList
  readonly log: Logger
  readonly signal: AbortSignal
}

/**
 * From here on the node works: recovers what was unfinished, makes its profile known, subscribes, catches up, introduces itself.
 * @returns what goes on in the background until the signal aborts
 */
export async function joinNetwork(options: JoinOptions): Promise<readonly Promise<void>[]> {
  const { identity, store, parts, peers, signal } = options
  parts.inbox.start()
  parts.delivery.start(signal)
  await parts.adapterRunner.start({ signal })
  await settleProfile(options)
  const proposals = proposalsToKnownNodes(options)
  if (proposals.length > 0) await store.accept(proposals)
  for (const { profile } of parts.graph.edgesOf(identity.rid)) {
    if (profile.target === identity.rid && parts.graph.profile(profile.source)?.node_type === 'FULL') {
      const types = profile.rid_types.filter((type) => peers.allows(profile.source, type))
      if (types.length > 0) parts.catchUps.request(profile.source, types)
    }
  }
  const isPartial = identity.profile.node_type === 'PARTIAL'
  const polling = isPartial ? [parts.poller.run(signal)] : []
  const expiring = parts.expiry === undefined ? [] : [parts.expiry.run(signal)]
  const always = [parts.farewells.sayAll(signal), meetFirstContact(options), parts.returns.run(signal)]
  return [...always, ...expiring, ...polling]
}

/** What this node wants may have changed since its last start. */
function proposalsToKnownNodes({ identity, parts: { graph }, subscriptions, log }: JoinOptions): NewArrival[] {
  const proposals: NewArrival[] = []
  const context = { identity, graph, log, push: (arrival: NewArrival) => void proposals.push(arrival) }
  for (const node of graph.nodes()) {
    const profile = graph.profile(node)
    if (profile !== undefined) subscriptions.contact(context, node, profile, { afresh: false })
  }
  return proposals
}

async function meetFirstContact({ parts: { contact, handshaker }, log, signal }: JoinOptions): Promise<void> {
  try {
    const known = await contact?.learn(signal)
    if (known !== undefined) await handshaker.start(known.rid, signal)
  } catch (error) {
    log.error(`the first contact is refused: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const PROFILE_WAIT_MS = 10_000

/** Puts this node's profile into its own cache, where handshakes and fetches find it, and waits until it is there. */
async function settleProfile({ identity: { rid, profile }, store, log }: JoinOptions): Promise<void> {
  const contents = nodeProfileContents(profile)
  const hash = sha256Contents(contents.value)
  const settled = async (): Promise<boolean> => (await store.read(rid))?.bundle.manifest.sha256_hash === hash
  if (await settled()) return
  await store.accept([{ rid, contents }])
  const until = performance.now() + PROFILE_WAIT_MS
  while (!(await settled())) {
    if (performance.now() > until) {
      log.warn('the inbox is long: this node starts before its own profile is worked off', { rid })
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
