import type { Rid } from '@koi-mcp/protocol'
import { mutateBytes, mutateJson, mutateToken, rehash } from './mutations.ts'
import { bundleEvent, eventsPayload, FuzzPeer } from './peer.ts'
import type { Json } from './peer.ts'
import { Random } from './random.ts'

export interface Case {
  /** What was done to a real envelope. */
  readonly kind: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

const PATHS = ['/events/broadcast', '/events/poll', '/rids/fetch', '/manifests/fetch', '/bundles/fetch'] as const
const JSON_TYPE = { 'content-type': 'application/json' }
const KEPT = 200

/** Makes cases out of real envelopes of nodes that the target knows. */
export class CaseMaker {
  readonly #seed: number
  readonly #target: Rid
  readonly #peers: readonly FuzzPeer[]
  /** RIDs that the fuzzing tries to change: of the target and of others. */
  readonly #canaries: readonly string[]
  readonly #sent: { path: string; body: Buffer }[] = []

  constructor(options: { seed: number; target: Rid; peers: readonly FuzzPeer[]; canaries: readonly string[] }) {
    this.#seed = options.seed
    this.#target = options.target
    this.#peers = options.peers
    this.#canaries = options.canaries
  }

  make(index: number): Case {
    const random = new Random(Math.imul(this.#seed, 0x9e3779b1) + index)
    const made = this.#mutated(random)
    this.#sent[index % KEPT] = { path: made.path, body: made.body }
    return made
  }

  #mutated(random: Random): Case {
    const peer = random.pick(this.#peers)
    const path = random.pick(PATHS)
    const payload = this.#payload(path, peer, random)
    const sign = (changed: Json) => peer.sign(JSON.stringify(changed), this.#target)
    const made = (
      kind: string,
      text: string | Buffer,
      to: string = path,
      headers: Case['headers'] = JSON_TYPE,
    ): Case => ({
      kind,
      path: to,
      headers,
      body: typeof text === 'string' ? Buffer.from(text) : text,
    })
    const share = random.below(100)
    if (share < 5) return made('as it should be', sign(payload))
    if (share < 30) return made('changed, then signed', sign(mutateJson(payload, random)))
    if (share < 45) return made('changed, hashed and signed', sign(rehash(mutateJson(payload, random))))
    if (share < 55)
      return made('a token changed, then signed', peer.sign(mutateToken(JSON.stringify(payload), random), this.#target))
    if (share < 65) return made('a token of the envelope changed', mutateToken(sign(payload), random))
    if (share < 80)
      return made('bytes changed', mutateBytes(Buffer.from(sign(payload)), this.#other(random).body, random))
    if (share < 87) {
      const { path: to, body } = this.#other(random)
      return made('sent again', body, to)
    }
    if (share < 92) return made('sent to another path', sign(payload), random.pick(PATHS))
    if (share < 94) return made('for another node', peer.sign(JSON.stringify(payload), random.pick(this.#peers).rid))
    if (share < 96)
      return made('as another node', peer.sign(JSON.stringify(payload), this.#target, random.pick(this.#peers).rid))
    if (share < 98) return made('another head', sign(payload), random.pick(ODD_PATHS), random.pick(ODD_HEADERS))
    return made('a stranger', stranger(payload, this.#target, random))
  }

  #other(random: Random): { path: string; body: Buffer } {
    const known = this.#sent.filter(Boolean)
    return known.length === 0 ? { path: PATHS[0], body: Buffer.from('{}') } : random.pick(known)
  }

  #payload(path: (typeof PATHS)[number], peer: FuzzPeer, random: Random): Json {
    const rids = Array.from({ length: random.below(6) }, () => this.#rid(random))
    const types = random.pick([[], ['orn:fuzz.thing'], ['https', 'orn:koi-net.node'], ['orn:koi-net.edge']])
    switch (path) {
      case '/events/broadcast':
        return eventsPayload(Array.from({ length: 1 + random.below(4) }, () => this.#event(peer, random)))
      case '/events/poll':
        return { type: 'poll_events', limit: random.pick([0, 1, 10, 1_000_000]) }
      case '/rids/fetch':
        return { type: 'fetch_rids', rid_types: ['orn:fuzz.nothing'] }
      case '/manifests/fetch':
        return { type: 'fetch_manifests', rid_types: types, rids: [...rids, this.#rid(random)] }
      case '/bundles/fetch':
        return { type: 'fetch_bundles', rids }
    }
  }

  #rid(random: Random): string {
    return random.chance(0.2) ? random.pick(this.#canaries) : `orn:fuzz.thing:${random.below(2_000)}`
  }

  #event(peer: FuzzPeer, random: Random): unknown {
    switch (random.below(10)) {
      case 0:
        return bundleEvent(random.pick(['NEW', 'UPDATE']), peer.rid, peer.profile)
      case 1:
        return peer.edgeTo(this.#target, random.pick([['orn:fuzz.thing'], ['orn:koi-net.node'], []]))
      case 2:
        return { rid: random.chance(0.9) ? this.#rid(random) : random.pick(this.#peers).rid, event_type: 'FORGET' }
      default:
        return bundleEvent(random.pick(['NEW', 'UPDATE']), this.#rid(random), contentsOf(random))
    }
  }
}

const ODD_PATHS = [
  '/events/broadcast',
  '/events/poll/',
  '/rids%2Ffetch',
  '/../rids/fetch',
  '/',
  '/bundles/fetch?x=1',
  '/__proto__',
]
const ODD_HEADERS: readonly Case['headers'][] = [
  {},
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=utf-16' },
  { ...JSON_TYPE, 'content-encoding': 'gzip' },
  { ...JSON_TYPE, 'transfer-encoding': 'chunked' },
  { ...JSON_TYPE, expect: '100-continue' },
  { ...JSON_TYPE, 'x-forwarded-for': '10.0.0.1', 'x-a': 'b'.repeat(8_000) },
]

function contentsOf(random: Random): Json {
  return {
    name: random.pick(['a', 'Größe', '日本', '\u0000', 'x'.repeat(random.below(3_000))]),
    n: random.pick([0, 1.5, -1e21, 1e-9, 2 ** 60]),
    list: Array.from({ length: random.below(20) }, (_, index) => ({ index })),
    '10': null,
    '9': { deep: [[[['x']]]] },
  }
}

/** Somebody new: introduced properly, or with a profile that was changed. */
function stranger(payload: Json, target: Rid, random: Random): string {
  const peer = new FuzzPeer(`stranger-${random.below(1_000)}`)
  const own = random.chance(0.5) ? peer.handshake : rehash(mutateJson(peer.handshake, random))
  return peer.sign(JSON.stringify(random.chance(0.8) ? own : payload), target)
}
