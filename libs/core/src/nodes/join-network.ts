import { nodeProfileContents, sha256Contents } from '@koi-mcp/protocol'
import type { EdgeProfile, Rid } from '@koi-mcp/protocol'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { Logger } from '../logger.ts'
import { sleep } from '../network/backoff.ts'
import type { KnownContact } from '../network/first-contact.ts'
import type { Subscriptions } from '../pipeline/subscriptions.ts'
import type { PeerList } from '../security/peer-list.ts'
import { laneOf } from '../store/lanes.ts'
import { NETWORK_LANE } from '../store/node-store.ts'
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
 * From here on the node works: recovers what was unfinished, makes its profile known, subscribes, and, in one of its processes, introduces itself and
 * catches up.
 * @returns what goes on in the background until the signal aborts
 */
export async function joinNetwork(options: JoinOptions): Promise<readonly Promise<void>[]> {
  const { store, parts, signal } = options
  parts.inbox.start()
  parts.delivery.start(signal)
  parts.adapterRunner.onChange(({ rid }) => {
    if (laneOf(rid) === NETWORK_LANE) void networkChanged(rid, options)
  })
  await parts.adapterRunner.start({ signal })
  await settleProfile(options)
  const proposals = proposalsToKnownNodes(options)
  if (proposals.length > 0) await store.accept(proposals)
  const contact = learnContact(options)
  const { ended } = await parts.lead.start((term) => lead(options, contact, term), signal)
  const expiring = parts.expiry === undefined ? [] : [parts.expiry.run(signal)]
  return [parts.farewells.sayAll(signal), parts.returns.run(signal), contact.then(() => undefined), ended, ...expiring]
}

/** What one process does for all of them; whoever takes over begins anew. */
async function lead(
  options: JoinOptions,
  contact: Promise<KnownContact | undefined>,
  term: AbortSignal,
): Promise<readonly Promise<void>[]> {
  const { identity, store, parts } = options
  await parts.graph.follow(store)
  for (const { profile } of parts.graph.edgesOf(identity.rid)) catchUpWith(profile, options)
  const over = new Promise<undefined>((resolve) => term.addEventListener('abort', () => resolve(undefined)))
  const meeting = Promise.race([contact, over]).then((known) => known && parts.handshaker.start(known.rid, term))
  return identity.profile.node_type === 'PARTIAL' ? [meeting, parts.poller.run(term)] : [meeting]
}

/** Whichever process of this node took it in. Tried again while the store is away: nobody would say it once more. */
async function networkChanged(rid: Rid, options: JoinOptions): Promise<void> {
  const { identity, store, parts, signal } = options
  while (!signal.aborted) {
    try {
      await parts.graph.follow(store)
      break
    } catch {
      await sleep(AWAY_MS, signal)
    }
  }
  const edge = parts.graph.edgesOf(identity.rid).find((one) => one.rid === rid)
  if (edge !== undefined && parts.lead.leads) catchUpWith(edge.profile, options)
}

/**
 * From its approval of our subscription on, a provider tells us what comes; what came before is caught up with now, and not a moment earlier: between
 * an earlier catching up and the approval, news would reach nobody.
 */
function catchUpWith(
  { source, target, status, rid_types }: EdgeProfile,
  { identity, parts, peers }: JoinOptions,
): void {
  if (target !== identity.rid || status !== 'APPROVED' || parts.graph.profile(source)?.node_type !== 'FULL') return
  const types = rid_types.filter((type) => peers.allows(source, type))
  // None would stand for all.
  if (types.length > 0) parts.catchUps.request(source, types)
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

async function learnContact({ parts: { contact }, log, signal }: JoinOptions): Promise<KnownContact | undefined> {
  try {
    return await contact?.learn(signal)
  } catch (error) {
    log.error(`the first contact is refused: ${error instanceof Error ? error.message : String(error)}`)
    return undefined
  }
}

const AWAY_MS = 1_000
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
