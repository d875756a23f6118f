/** A node written by somebody else: what it says and answers is the test's to choose. */
import {
  BROADCAST_EVENTS_PATH,
  contentsOf,
  edgeProfileContents,
  edgeRid,
  eventFromBundle,
  eventText,
  FETCH_MANIFESTS_PATH,
  FETCH_RIDS_PATH,
  forgetEvent,
  formatTimestamp,
  generateBundle,
  isEndpointPath,
  microsOf,
  nodeProfileContents,
  parseEnvelope,
  parsePayload,
  payloadText,
  POLL_EVENTS_PATH,
} from '@koi-mcp/protocol'
import type { Bundle, Item, KoiEvent, NodeProfile, Rid } from '@koi-mcp/protocol'
import type { NodeIdentity } from '../src/identity/node-identity.ts'
import type { KoiNode } from '../src/nodes/koi-node.ts'
import { envelopeOf, eventsPayload, newEvent, requestOf, testIdentity, testServer, until } from './peers.ts'
import type { Answer } from './peers.ts'

export class Outsider {
  readonly identity: NodeIdentity
  /** What it serves when it is asked. */
  readonly holds = new Map<Rid, Bundle>()
  /** Texts of the events that its next poller is given. */
  queued: string[] = []
  /** Answers 503 to whatever it is told. */
  away = false
  /** What it answers instead of the truth. */
  lie: ((truth: Answer, caller: Rid) => Answer) | undefined
  /** Paths it was called at, behind its base URL. */
  readonly calls: string[] = []
  /** Events it was told. */
  readonly heard: KoiEvent[] = []
  readonly stop: () => Promise<void>

  private constructor(identity: NodeIdentity, stop: () => Promise<void>) {
    this.identity = identity
    this.stop = stop
  }

  /** A full node; or one that nobody can call. */
  static async start(provides: readonly string[] = [], { partial = false } = {}): Promise<Outsider> {
    const server = await testServer()
    const baseUrl = partial ? undefined : `${server.origin}/koi-net`
    const outsider = new Outsider(testIdentity('outsider', baseUrl, provides), () => server.close())
    server.answer = ({ path, body }) => {
      const truth = outsider.#answer(path.replace('/koi-net', ''), body)
      return outsider.lie === undefined ? truth : outsider.lie(truth, parseEnvelope(body).source_node)
    }
    return outsider
  }

  get rid(): Rid {
    return this.identity.rid
  }

  /** Posts a payload to one of the node's endpoints, signed. */
  async call(node: KoiNode, path: string, payload: string): Promise<{ status: number; body: string }> {
    const body = envelopeOf(this.identity, node.identity.rid, payload)
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${node.baseUrl}${path}`, { method: 'POST', headers, body })
    return { status: response.status, body: await response.text() }
  }

  /** Says something and waits until the node has worked it off. */
  async tell(node: KoiNode, ...eventTexts: readonly string[]): Promise<void> {
    const { status, body } = await this.call(node, BROADCAST_EVENTS_PATH, eventsPayload(...eventTexts))
    if (status !== 200) throw new Error(`the node answered ${status}: ${body}`)
    await worked(node)
  }

  introduce(node: KoiNode): Promise<void> {
    return this.tell(node, newEvent(this.profileBundle()))
  }

  /** Asks for a subscription to the node's events of these types. */
  async subscribe(node: KoiNode, rid_types: readonly string[]): Promise<void> {
    const edge = edgeProfileContents({
      source: node.identity.rid,
      target: this.rid,
      edge_type: this.identity.profile.base_url === undefined ? 'POLL' : 'WEBHOOK',
      status: 'PROPOSED',
      rid_types,
    })
    await this.tell(node, newEvent(bundleNow(edgeRid(node.identity.rid, this.rid), edge.value)))
  }

  /** Lets the node, which has learnt what this one provides, subscribe; and says more in the same envelope. */
  async approve(node: KoiNode, ...eventTexts: readonly string[]): Promise<void> {
    const subscriber = node.identity.rid
    await until(() => node.graph.edge(this.rid, subscriber) !== undefined)
    const proposed = node.graph.edge(this.rid, subscriber)!
    const edge = edgeProfileContents({ ...proposed.profile, status: 'APPROVED' })
    await this.tell(node, updateEvent(bundleNow(proposed.rid, edge.value)), ...eventTexts)
  }

  /** Its profile, now. */
  profileBundle(change: Partial<NodeProfile> = {}): Bundle {
    return bundleNow(this.rid, nodeProfileContents({ ...this.identity.profile, ...change }).value)
  }

  #answer(path: string, body: Buffer): Answer {
    this.calls.push(path)
    if (this.away) return { status: 503, body: '' }
    if (path === BROADCAST_EVENTS_PATH) {
      this.heard.push(...requestOf(body, 'events_payload').events.flatMap(({ ok }) => ok ?? []))
      return { status: 200, body: 'null' }
    }
    if (!isEndpointPath(path)) return { status: 404, body: '' }
    const { source_node: caller, payload } = parseEnvelope(body)
    const reply = (text: string): Answer => ({ status: 200, body: envelopeOf(this.identity, caller, text) })
    if (path === POLL_EVENTS_PATH) return reply(eventsPayload(...this.queued.splice(0)))
    const of = (rids: readonly Item<Rid>[]): Bundle[] => rids.flatMap(({ ok }) => (ok && this.holds.get(ok)) ?? [])
    if (path === FETCH_RIDS_PATH) return reply(payloadText({ type: 'rids_payload', rids: [...this.holds.keys()] }))
    if (path === FETCH_MANIFESTS_PATH) {
      const manifests = of(parsePayload(payload, 'fetch_manifests').rids).map(({ manifest }) => manifest)
      return reply(payloadText({ type: 'manifests_payload', manifests, not_found: [] }))
    }
    const bundles = of(parsePayload(payload, 'fetch_bundles').rids)
    return reply(payloadText({ type: 'bundles_payload', bundles, not_found: [], deferred: [] }))
  }
}

/** Waits for the inbox alone. */
export const worked = (node: KoiNode): Promise<void> => until(async () => (await node.store.inboxState()).pending === 0)

let stamps = 0n
/** A bundle made now, or in so many seconds; each is newer than the one before. */
export const bundleNow = (rid: Rid, contents: object, inSeconds = 0): Bundle =>
  generateBundle(
    rid,
    contentsOf(contents),
    formatTimestamp(microsOf(new Date(Date.now() + inSeconds * 1_000)) + (stamps += 1n)),
  )

export const updateEvent = (bundle: Bundle): string => eventText(eventFromBundle('UPDATE', bundle))
export const forgetText = (rid: Rid): string => eventText(forgetEvent(rid))
