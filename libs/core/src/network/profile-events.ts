import {
  eventFromBundle,
  eventText,
  forgetEvent,
  formatTimestamp,
  generateBundle,
  microsOf,
  nodeProfileContents,
  sha256Contents,
} from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeIdentity } from '../identity/node-identity.ts'
import type { NodeStore } from '../store/node-store.ts'

/** Event texts by which this node introduces itself: what is cached of its own profile, and before anything is, a bundle made now. */
export class ProfileEvents {
  readonly #identity: Pick<NodeIdentity, 'rid' | 'profile'>
  readonly #store: Pick<NodeStore, 'read'>
  readonly #clock: Clock

  constructor(options: {
    identity: Pick<NodeIdentity, 'rid' | 'profile'>
    store: Pick<NodeStore, 'read'>
    clock: Clock
  }) {
    this.#identity = options.identity
    this.#store = options.store
    this.#clock = options.clock
  }

  /** Of the profile that this node has now. */
  get profileHash(): string {
    return sha256Contents(nodeProfileContents(this.#identity.profile).value)
  }

  /** NEW, with the whole profile. */
  async introduction(): Promise<string> {
    const { rid, profile } = this.#identity
    const cached = await this.#store.read(rid)
    const timestamp = formatTimestamp(microsOf(new Date(this.#clock())))
    const bundle = cached?.bundle ?? generateBundle(rid, nodeProfileContents(profile), timestamp)
    return eventText(eventFromBundle('NEW', bundle))
  }

  /** FORGET and NEW, in that order: whoever knew us starts over (wire document, Handshake 1). */
  async handshake(): Promise<readonly string[]> {
    return [eventText(forgetEvent(this.#identity.rid)), await this.introduction()]
  }
}
