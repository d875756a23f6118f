/** A node of ours as the scenarios see it: in this process, with its state in a folder. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DomainExtension } from '@koi-mcp/core'
import type { KoiNode, NewArrival, NodeOptions } from '@koi-mcp/core'
import {
  defineRidType,
  edgeProfileContents,
  edgeRid,
  eventFromBundle,
  eventText,
  forgetEvent,
  parseEdgeProfile,
  parseEnvelope,
  publicKeyFromDerBase64,
  signEnvelope,
  verifyEnvelope,
} from '@koi-mcp/protocol'
import type { EdgeType, PayloadType, Rid } from '@koi-mcp/protocol'
import { eventsText, pathOf, post } from './hand-node.ts'
import { freePort } from './reference-peer.ts'
import type { Activity, Edge, Ending, Side, Target } from './side.ts'

export const NoteRID = defineRidType('orn:notes.note')

/** Notes, and with them whatever else a node is to provide. */
class Notes extends DomainExtension {
  readonly name = 'notes'
  readonly #types: readonly string[]
  constructor(types: readonly string[]) {
    super()
    this.#types = types
  }
  override get ridTypes() {
    return this.#types.map((type) => (type === NoteRID.name ? NoteRID : defineRidType(type)))
  }
}

interface Wanted {
  readonly name: string
  readonly partial?: boolean
  readonly contact?: Target | undefined
}
type Make = (options: NodeOptions & { baseUrl: string }) => KoiNode

export class OurSide implements Side {
  readonly maker = 'ours'
  readonly isPartial: boolean
  readonly #make: Make
  readonly #options: NodeOptions & { readonly state: string }
  #types: readonly string[] = [NoteRID.name]
  #baseUrl: string | undefined
  #polls = true
  #done = 0
  #node: KoiNode

  private constructor(make: Make, options: NodeOptions & { readonly state: string }) {
    this.#make = make
    this.#options = options
    this.isPartial = options.baseUrl === undefined
    this.#baseUrl = options.baseUrl
    this.#node = this.#made()
  }

  static async start(make: Make, { name, partial, contact }: Wanted): Promise<OurSide> {
    const side = new OurSide(make, {
      name,
      baseUrl: partial === true ? undefined : await freeBaseUrl(),
      state: mkdtempSync(join(tmpdir(), 'koi-mcp-side-')),
      firstContact: contact?.url,
      firstContactRid: contact?.rid,
    })
    await side.#node.start()
    return side
  }

  get node(): KoiNode {
    return this.#node
  }
  get rid(): Rid {
    return this.#node.identity.rid
  }
  get url(): string {
    return this.#node.baseUrl ?? ''
  }

  async publish(rid: Rid, contents: object): Promise<void> {
    await this.#node.publish({ rid, contents })
  }
  async forget(rid: Rid): Promise<void> {
    await this.#node.forget(rid)
  }
  async contents(rid: Rid): Promise<unknown> {
    return (await this.#node.store.read(rid))?.bundle.contents.value
  }
  list(): Promise<readonly Rid[]> {
    return this.#node.store.listRids({ limit: 10_000 })
  }
  async edge(source: Rid, target: Rid): Promise<Edge | undefined> {
    const bundle = (await this.#node.store.read(edgeRid(source, target)))?.bundle
    if (bundle === undefined) return undefined
    const { status, edge_type, rid_types } = parseEdgeProfile(bundle.contents)
    return { status, edge_type, rid_types, timestamp: bundle.manifest.timestamp }
  }
  async propose(provider: Rid, types: readonly string[], type: EdgeType): Promise<void> {
    const edge = { source: provider, target: this.rid, edge_type: type, status: 'PROPOSED', rid_types: types } as const
    const rid = edgeRid(provider, this.rid)
    // As the node itself asks anew: to propose the types that stand here already would be no news.
    const standing = await this.edge(provider, this.rid)
    const again: readonly NewArrival[] =
      standing?.rid_types.join() === types.join() ? [{ rid, eventType: 'FORGET' }] : []
    await this.#node.store.accept([...again, { rid, contents: edgeProfileContents(edge) }])
  }
  /** What a node of ours provides follows from its domains, which it is started with. */
  async changeProfile(): Promise<void> {
    const [type = NoteRID.name] = this.#types
    if (this.#node.identity.profile.provides.event.length === 0) this.#baseUrl = await freeBaseUrl()
    else this.#types = this.#types.length === 1 ? [type, 'orn:interop.more'] : [type]
    await this.restart()
  }
  async handshake(node: Target): Promise<void> {
    const own = await this.#node.store.read(this.rid)
    if (own === undefined) throw new Error('this node has no profile')
    await this.#broadcast(node, [eventText(forgetEvent(this.rid)), eventText(eventFromBundle('NEW', own.bundle))])
  }
  leave(node: Target): Promise<void> {
    return this.#broadcast(node, [eventText(forgetEvent(this.rid))])
  }
  async ask(node: Target, type: PayloadType, request: object): Promise<Readonly<Record<string, unknown>>> {
    const { status, body } = await this.#send(node, type, JSON.stringify({ type, ...request }))
    if (status !== 200) throw new Error(`${type} was answered ${status}: ${body}`)
    const envelope = parseEnvelope(body)
    const key = this.#node.graph.profile(node.rid)?.public_key ?? ''
    if (envelope.source_node !== node.rid || envelope.target_node !== this.rid) throw new Error(`not for us: ${body}`)
    if (!verifyEnvelope(envelope, publicKeyFromDerBase64(key))) throw new Error(`does not verify: ${body}`)
    return envelope.payload.value as Record<string, unknown>
  }
  async polling(on: boolean): Promise<void> {
    if (!this.isPartial || this.#polls === on) return
    this.#polls = on
    await this.restart()
    // It polls once at its start.
    await this.idle()
  }
  idle(): Promise<void> {
    return this.#node.idle()
  }
  async activity(among: readonly Rid[]): Promise<Activity> {
    await this.#node.idle()
    const outbox = await this.#node.store.outboxState()
    const queued = outbox.map(({ target, queued }) => (among.includes(target) ? queued : 0))
    return { done: this.#done, waiting: queued.reduce((sum, one) => sum + one, 0) }
  }

  /** In this process it cannot be killed; what `kill -9` does to our nodes has tests of its own. */
  async restart(ending: Ending = 'stopped'): Promise<void> {
    if (ending === 'killed') throw new Error('a node in this process cannot be killed')
    await this.#node.stop()
    this.#node = this.#made()
    await this.#node.start()
  }
  async check(): Promise<void> {
    await this.#node.store.inboxState()
  }
  async stop(): Promise<void> {
    await this.#node.stop()
    rmSync(this.#options.state, { recursive: true, force: true })
  }

  #made(): KoiNode {
    const options: NodeOptions = {
      ...this.#options,
      baseUrl: this.#baseUrl,
      domains: [new Notes(this.#types)],
      // A node that restarts is called again soon.
      network: { pollIntervalMs: this.#polls ? 100 : 3_600_000, backoffFactor: 1 },
    }
    // A partial node has no base URL, which only a coordinator insists on.
    const node = this.#make(options as NodeOptions & { baseUrl: string })
    node.onEvent(() => void this.#done++)
    return node
  }
  async #broadcast(node: Target, events: readonly string[]): Promise<void> {
    const { status, body } = await this.#send(node, 'events_payload', eventsText(events))
    if (status !== 200) throw new Error(`a broadcast was answered ${status}: ${body}`)
  }
  #send(node: Target, type: PayloadType, payloadText: string) {
    const { rid, privateKey } = this.#node.identity
    return post(node.url + pathOf(type), signEnvelope({ payloadText, source: rid, target: node.rid }, privateKey))
  }
}

async function freeBaseUrl(): Promise<string> {
  return `http://127.0.0.1:${await freePort()}/koi-net`
}
