import {
  contentsOf,
  edgeRid,
  formatTimestamp,
  generateKeyPair,
  nodeProfileContents,
  nodeRid,
  publicKeyToDerBase64,
  sha256Contents,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'

export type Json = Record<string, unknown>

/** A partial node that signs whatever it is told to. */
export class FuzzPeer {
  readonly #keys = generateKeyPair()
  readonly publicKey = publicKeyToDerBase64(this.#keys.publicKey)
  readonly rid: Rid

  constructor(name: string) {
    this.rid = nodeRid(name, this.publicKey)
  }

  sign(payloadText: string, target: Rid, source: Rid = this.rid): string {
    return signEnvelope({ payloadText, source, target }, this.#keys.privateKey)
  }

  /** Its profile as it is sent: the contents of its bundle. */
  get profile(): Json {
    const profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: this.publicKey } as const
    return nodeProfileContents(profile).value
  }

  /** `FORGET` of itself, then `NEW`: how it introduces itself. */
  get handshake(): Json {
    return eventsPayload([{ rid: this.rid, event_type: 'FORGET' }, bundleEvent('NEW', this.rid, this.profile)])
  }

  edgeTo(provider: Rid, types: readonly string[]): Json {
    const edge = { source: provider, target: this.rid, edge_type: 'POLL', status: 'PROPOSED', rid_types: types }
    return bundleEvent('NEW', edgeRid(provider, this.rid), { '@context': 'orn:koi-net.context:koi-net.edge', ...edge })
  }
}

export function eventsPayload(events: readonly unknown[]): Json {
  return { type: 'events_payload', events }
}

/** An event whose manifest is right, whatever its contents are. */
export function bundleEvent(type: string, rid: string, contents: Json, micros = BigInt(Date.now()) * 1_000n): Json {
  return { rid, event_type: type, manifest: manifestOf(rid, contents, micros), contents }
}

export function manifestOf(rid: string, contents: unknown, micros = BigInt(Date.now()) * 1_000n): Json {
  return {
    rid,
    timestamp: formatTimestamp(micros),
    sha256_hash: hashOf(contents),
    '@context': 'orn:koi-net.context:manifest',
  }
}

/** Of what can be hashed; of the rest nothing's. */
function hashOf(contents: unknown): string {
  try {
    return sha256Contents(contentsOf(contents as object).value)
  } catch {
    return '0'.repeat(64)
  }
}
