import {
  HandlerChain,
  HandlerType,
  PermanentError,
  registerCoordinatorHandlers,
  registerDefaultHandlers,
  Subscriptions,
} from '@koi-mcp/core'
import type { AuthorityMode, NodeIdentity, StoredBundle } from '@koi-mcp/core'
import {
  contentsOf,
  defineRidType,
  edgeProfileContents,
  edgeRid,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  KOI_NET_EDGE,
  KOI_NET_NODE,
  nodeProfileContents,
  nodeRid,
} from '@koi-mcp/protocol'
import type { Bundle, EdgeProfile, NodeProfile, Rid } from '@koi-mcp/protocol'

/** The node whose histories are told, and three others. Carol subscribes to it from the beginning. */
export const NAMES = ['self', 'alice', 'bob', 'carol'] as const
export type Name = (typeof NAMES)[number]

export const NOTE = defineRidType('orn:test.note')
/** This node's own digest of each note: emitted by a handler, and knowledge like any other. */
export const DIGEST = defineRidType('orn:test.digest')
export const BEGINNING = Date.UTC(2026, 0, 1)
const PROVIDED = [NOTE.name, DIGEST.name, KOI_NET_NODE.name, KOI_NET_EDGE.name]
/** Sets of types that edges are made for; the last one holds a type that nobody provides. */
const EDGE_TYPES = [[NOTE.name], [DIGEST.name, NOTE.name], [NOTE.name, 'orn:test.unheard-of']]

/** The same in every process that plays a history; nobody has the private ones. */
const PREFIX = 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'
const KEYS: Readonly<Record<Name, string>> = {
  self: '6Qam1vo5tYBelQ37pRP3xbWog24qitiOLZ9y3OOjnAar5gO2MA1xg8lXz3/FwQd+5olMKURGTlC6Q48nZDNJtQ==',
  alice: 'HnKiM53+wKYpvhzaClOCdKTPExcksiSvD9mdzrbTrPLnCljNnHQfIt9XDJEQxVsbBvJX8aMhk3HZkx9bdKgpFw==',
  bob: 'ruS52UNmEt0pDNnGQHsIRu8N0oKNI7UPbS4EiYzMDYDcfGu0Z6Bcp4w44ddUs0HkeqjUWo0INcJB2KR8VkYj/Q==',
  carol: 'ticZzUJ5+yTwjO7WqThc5drQE96GX/QSExFtmwpRKXh/zJDsFVbGLbhCwCnvNDNIq+KZui5gUVIPEGy2X+eXPw==',
}

export function ridOf(name: Name): Rid {
  return nodeRid(name, publicKeyOfName(name))
}

function publicKeyOfName(name: Name): string {
  return PREFIX + KEYS[name]
}

/** When, in seconds since the beginning. */
function at(second: number): string {
  return formatTimestamp(BigInt(BEGINNING + second * 1000) * 1000n)
}

function profileOf(name: Name, version = 0): NodeProfile {
  const base_url = `http://${name}.example/v${version}/koi-net`
  return {
    base_url,
    node_type: 'FULL',
    provides: { event: PROVIDED, state: PROVIDED },
    public_key: publicKeyOfName(name),
  }
}

export const SELF: NodeIdentity = {
  rid: ridOf('self'),
  name: 'self',
  profile: profileOf('self'),
  privateKey: generateKeyPair().privateKey,
}

export function profileBundle(name: Name, version: number, second: number): Bundle {
  return generateBundle(ridOf(name), nodeProfileContents(profileOf(name, version)), at(second))
}

export function edgeBundle(
  source: Name,
  target: Name,
  { status, types, second }: { status: EdgeProfile['status']; types: number; second: number },
): Bundle {
  const ends = { source: ridOf(source), target: ridOf(target) }
  const edge = edgeProfileContents({ ...ends, edge_type: 'WEBHOOK', status, rid_types: EDGE_TYPES[types]! })
  return generateBundle(edgeRid(ends.source, ends.target), edge, at(second))
}

export function noteRid(note: number): Rid {
  return NOTE.of(`n${note}`)
}

export function noteBundle(note: number, version: number, second: number): Bundle {
  return generateBundle(noteRid(note), contentsOf({ version, note }), at(second))
}

/** What is cached before the history begins: the node itself, Carol who follows it, and Alice whose notes it follows. */
export function firstBundles(): readonly Omit<StoredBundle, 'seq'>[] {
  const edge = edgeBundle('self', 'carol', { status: 'APPROVED', types: 1, second: -1 })
  const asked = edgeBundle('alice', 'self', { status: 'APPROVED', types: 0, second: -1 })
  return [
    { rid: ridOf('self'), bundle: profileBundle('self', 0, -1) },
    { rid: ridOf('carol'), bundle: profileBundle('carol', 0, -1), origin: ridOf('carol') },
    { rid: edge.manifest.rid, bundle: edge },
    { rid: ridOf('alice'), bundle: profileBundle('alice', 0, -1), origin: ridOf('alice') },
    { rid: asked.manifest.rid, bundle: asked, origin: ridOf('alice') },
  ]
}

/** The version of a note that a handler cannot take, each note's in another phase. */
export const POISON = 3

/** The handlers of a coordinator, and the domain's: one that may fail in each phase, one that emits digests. `pause` is awaited in every phase. */
export function handlersOf(mode: AuthorityMode, pause: (phase: HandlerType) => Promise<void>): HandlerChain {
  const subscriptions = new Subscriptions({
    interest: undefined,
    always: [KOI_NET_NODE.name, KOI_NET_EDGE.name],
  })
  const chain = new HandlerChain()
  registerDefaultHandlers(chain, subscriptions, { mode, firstContact: () => undefined })
  registerCoordinatorHandlers(chain, subscriptions)
  const phases = Object.values(HandlerType)
  for (const [index, phase] of phases.entries()) {
    // No handler waits behind the cache for digests: they go the whole way in one step.
    const behindTheCache = phase === HandlerType.Network || phase === HandlerType.Final
    const ridTypes = behindTheCache ? { ridTypes: [NOTE, KOI_NET_NODE, KOI_NET_EDGE] } : {}
    chain.registerHandler(phase, { name: `test ${phase}`, ...ridTypes }, async (_, kobj) => {
      await pause(phase)
      const value = kobj.contents?.value as { version?: number; note?: number } | undefined
      if (kobj.eventType !== 'FORGET' && value?.version === POISON && (value.note ?? 0) + 2 === index) {
        throw new PermanentError(`poison in phase ${phase}`)
      }
    })
  }
  chain.registerHandler(HandlerType.Network, { name: 'digest', ridTypes: [NOTE] }, (processor, kobj) => {
    const rid = DIGEST.of(kobj.rid.slice(NOTE.name.length + 1))
    if (kobj.normalizedEventType === 'FORGET') return
    processor.push({ rid, eventType: 'NEW', contents: contentsOf({ of: kobj.manifest?.sha256_hash }) })
  })
  chain.registerHandler(HandlerType.Final, { name: 'undigest', ridTypes: [NOTE] }, (processor, kobj) => {
    if (kobj.normalizedEventType !== 'FORGET') return
    processor.push({ rid: DIGEST.of(kobj.rid.slice(NOTE.name.length + 1)), eventType: 'FORGET' })
  })
  return chain
}
