/** Calls signed by hand: with the key of a node of ours, or of a stranger that exists nowhere else. */
import {
  ENDPOINTS,
  forgetEvent,
  eventText,
  formatTimestamp,
  generateBundle,
  generateKeyPair,
  microsOf,
  nodeProfileContents,
  eventFromBundle,
  nodeRid,
  publicKeyToDerBase64,
  signEnvelope,
} from '@koi-mcp/protocol'
import type { Contents, EndpointPath, NodeKeys, NodeProfile, PayloadType, Rid } from '@koi-mcp/protocol'
import type { Target } from './side.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

/** The path that takes such a payload. */
export function pathOf(type: PayloadType): EndpointPath {
  const paths = Object.keys(ENDPOINTS) as EndpointPath[]
  const path = paths.find((one) => ENDPOINTS[one].request === type)
  if (path === undefined) throw new Error(`no path takes ${type}`)
  return path
}

export async function post(url: string, body: string | Uint8Array): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return { status: response.status, body: await response.text() }
}

/** A node that is its key alone: it says what it is told to, and keeps nothing. */
export class HandNode {
  readonly keys: NodeKeys = generateKeyPair()
  readonly publicKey = publicKeyToDerBase64(this.keys.publicKey)
  readonly rid: Rid
  readonly profile: NodeProfile

  constructor(name: string, profile: Partial<NodeProfile> = {}) {
    this.rid = nodeRid(name, this.publicKey)
    this.profile = { node_type: 'PARTIAL', provides: { event: [], state: [] }, public_key: this.publicKey, ...profile }
  }

  /** NEW about itself. */
  introduction(contents: Contents = nodeProfileContents(this.profile)): string {
    return eventText(eventFromBundle('NEW', generateBundle(this.rid, contents, now())))
  }
  handshake(): string {
    return eventsText([eventText(forgetEvent(this.rid)), this.introduction()])
  }
  /** A payload's text, signed for the target and sent. */
  send(to: Target, type: PayloadType, payloadText: string): Promise<Answer> {
    return post(to.url + pathOf(type), this.sign(payloadText, to.rid))
  }
  sign(payloadText: string, target: Rid): string {
    return signEnvelope({ payloadText, source: this.rid, target }, this.keys.privateKey)
  }
}

export function eventsText(events: readonly string[]): string {
  return `{"type":"events_payload","events":[${events.join(',')}]}`
}

export function now(): string {
  return formatTimestamp(microsOf(new Date()))
}
