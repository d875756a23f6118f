import {
  eventText,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  microsOf,
  nodeProfileContents,
  nodeRid,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { KoiEvent, Rid } from '@koi-mcp/protocol'
import { EVENT_TYPE, eventContents, eventRid } from './knowledge.ts'

/** A node that only sends, as the provider of what it sends: partial, so that nobody calls it back. */
export class Sender {
  readonly rid: Rid
  readonly #keys = generateKeyPair()
  readonly #publicKey: string

  constructor(name: string) {
    this.#publicKey = publicKeyToDerBase64(this.#keys.publicKey)
    this.rid = nodeRid(name, this.#publicKey)
  }

  get publicKey() {
    return this.#keys.publicKey
  }

  sign(payloadText: string, target: Rid): string {
    return signEnvelope({ payloadText, source: this.rid, target }, this.#keys.privateKey)
  }

  events(events: readonly KoiEvent[], target: Rid): string {
    return this.sign(`{"type":"events_payload","events":[${events.map(eventText).join(',')}]}`, target)
  }

  /** How a stranger introduces itself. (wire: Handshake) */
  introduction(target: Rid): string {
    const contents = nodeProfileContents({
      node_type: 'PARTIAL',
      provides: { event: [EVENT_TYPE], state: [] },
      public_key: this.#publicKey,
    })
    const { manifest } = generateBundle(this.rid, contents, now())
    return this.events(
      [
        { rid: this.rid, event_type: 'FORGET' },
        { rid: this.rid, event_type: 'NEW', manifest, contents },
      ],
      target,
    )
  }

  /** Envelopes with so many news each, from the given number on, signed. */
  batches({ first, events, batch }: { first: number; events: number; batch: number }, target: Rid): string[] {
    return Array.from({ length: Math.ceil(events / batch) }, (_, index) => {
      const start = first + index * batch
      const size = Math.min(batch, first + events - start)
      return this.events(
        Array.from({ length: size }, (_unused, offset) => newEvent(start + offset)),
        target,
      )
    })
  }
}

function newEvent(n: number): KoiEvent {
  const rid = eventRid(n)
  const { manifest, contents } = generateBundle(rid, eventContents(n), now())
  return { rid, event_type: 'NEW', manifest, contents }
}

const now = (): string => formatTimestamp(microsOf(new Date()))
