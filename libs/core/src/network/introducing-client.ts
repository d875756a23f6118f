import type { Rid } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
import { sleep } from './backoff.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'
import type { ProfileEvents } from './profile-events.ts'

export interface IntroducingClientOptions {
  readonly client: PeerClient
  readonly profileEvents: Pick<ProfileEvents, 'introduction'>
  readonly log: Logger
  readonly signal: AbortSignal
  /** Pauses before the call is tried again, in milliseconds. */
  readonly pausesMs?: readonly number[]
}

/** A peer accepts an introduction before it applies it, so the first call behind it may still find us unknown. */
const PAUSES_MS = [50, 250, 1_000]

/**
 * A client whose fetches and polls introduce this node to a peer that does not know it, and are then made again. The introduction is a NEW without the
 * handshake's FORGET: the peer has no profile of us to forget, and if it has one by now, a FORGET would cost us our edges there.
 */
export class IntroducingClient implements PeerClient {
  readonly #options: IntroducingClientOptions
  readonly #introductions = new Map<Rid, Promise<void>>()

  constructor(options: IntroducingClientOptions) {
    this.#options = options
  }

  broadcastEvents: PeerClient['broadcastEvents'] = (node, eventTexts) =>
    this.#options.client.broadcastEvents(node, eventTexts)

  pollEvents: PeerClient['pollEvents'] = (node, limit) => this.#known(node, (client) => client.pollEvents(node, limit))

  fetchRids: PeerClient['fetchRids'] = (node, ridTypes) =>
    this.#known(node, (client) => client.fetchRids(node, ridTypes))

  fetchManifests: PeerClient['fetchManifests'] = (node, query) =>
    this.#known(node, (client) => client.fetchManifests(node, query))

  fetchBundles: PeerClient['fetchBundles'] = (node, rids) =>
    this.#known(node, (client) => client.fetchBundles(node, rids))

  async #known<T>(node: Rid, call: (client: PeerClient) => Promise<T>): Promise<T> {
    const { client, signal, pausesMs = PAUSES_MS } = this.#options
    try {
      return await call(client)
    } catch (error) {
      if (!isUnknown(error)) throw error
    }
    await this.#introduce(node)
    for (const pause of pausesMs) {
      await sleep(pause, signal)
      try {
        return await call(client)
      } catch (error) {
        if (!isUnknown(error) || signal.aborted) throw error
      }
    }
    return await call(client)
  }

  /** Calls that find us unknown at the same time share one introduction. */
  async #introduce(node: Rid): Promise<void> {
    const { client, profileEvents, log } = this.#options
    const known = this.#introductions.get(node)
    if (known !== undefined) return await known
    log.info('the peer does not know us, introducing ourselves', { peer: node })
    const introduction = profileEvents
      .introduction()
      .then((event) => client.broadcastEvents(node, [event]))
      .finally(() => this.#introductions.delete(node))
    this.#introductions.set(node, introduction)
    await introduction
  }
}

function isUnknown(error: unknown): boolean {
  return error instanceof PeerError && error.code === 'UNKNOWN_NODE'
}
