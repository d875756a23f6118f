import {
  contentsOf,
  eventFromBundle,
  eventText,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  nodeProfileContents,
  nodeRid,
  payloadText,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Bundle, Payload, Rid } from '@koi-mcp/protocol'

/** A partial node as a test drives it: it signs whatever it is told to. */
export class Peer {
  readonly #keys = generateKeyPair()
  readonly publicKey = publicKeyToDerBase64(this.#keys.publicKey)
  readonly rid: Rid
  readonly #target: Rid

  constructor(name: string, target: Rid) {
    this.rid = nodeRid(name, this.publicKey)
    this.#target = target
  }

  /** A whole envelope around any payload text. */
  envelope(payload: string | Payload, target: Rid = this.#target): string {
    const text = typeof payload === 'string' ? payload : payloadText(payload)
    return signEnvelope({ payloadText: text, source: this.rid, target }, this.#keys.privateKey)
  }

  broadcast(...eventTexts: readonly string[]): string {
    return this.envelope(`{"type":"events_payload","events":[${eventTexts.join(',')}]}`)
  }

  /** The NEW event by which it introduces itself. */
  get introduction(): string {
    const profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: this.publicKey } as const
    return newEvent(bundleOf(this.rid, nodeProfileContents(profile)))
  }
}

export function bundleOf(rid: Rid, contents: object): Bundle {
  const read = 'text' in contents ? (contents as Bundle['contents']) : contentsOf(contents)
  return generateBundle(rid, read, formatTimestamp(BigInt(Date.now()) * 1_000n))
}

export function newEvent(bundle: Bundle): string {
  return eventText(eventFromBundle('NEW', bundle))
}
