import type { Bundle, Rid } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import { introducedOurselves } from '../business-events.ts'
import type { Logger } from '../logger.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { NodeStore } from '../store/node-store.ts'
import { backoffMs, DEFAULT_BACKOFF, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'
import type { ProfileEvents } from './profile-events.ts'

export interface HandshakerOptions {
  readonly client: Pick<PeerClient, 'broadcastEvents' | 'fetchBundles'>
  readonly profileEvents: Pick<ProfileEvents, 'handshake' | 'profileHash'>
  readonly graph: Pick<NodeGraph, 'profile' | 'neighbors'>
  readonly store: Pick<NodeStore, 'accept' | 'getValue' | 'setValue'>
  readonly log: Logger
  readonly observer?: NodeObserver | undefined
  readonly clock: Clock
  readonly backoff?: BackoffOptions
  /** How long the contact has to tell us its profile before we fetch it; default 5 s. */
  readonly answerMs?: number
}

const SAY_AGAIN_MS = 30_000

/** Introduces this node to others (wire document, Handshake 1). */
export class Handshaker {
  readonly #options: HandshakerOptions

  constructor(options: HandshakerOptions) {
    this.#options = options
  }

  /** FORGET and NEW about ourselves, in one envelope. @throws PeerError */
  async handshakeWith(node: Rid): Promise<void> {
    const { client, profileEvents } = this.#options
    introducedOurselves(this.#options, node)
    await client.broadcastEvents(node, await profileEvents.handshake())
  }

  /**
   * Whether we still have to introduce ourselves: its profile is not here, or it neither serves us nor was told the profile that we have. Whoever is told
   * it once more forgets its edges with us, and begins anew.
   */
  async needed(contact: Rid): Promise<boolean> {
    const { graph, profileEvents, store } = this.#options
    if (graph.profile(contact) === undefined) return true
    if (graph.neighbors('in').includes(contact)) return false
    return (await store.getValue(introducedTo(contact))) !== profileEvents.profileHash
  }

  /**
   * Makes sure that the first contact knows us: a handshake if needed, tried until it works. A contact that does not answer by itself, being no
   * coordinator, is asked for its profile. Never rejects; ends early when the signal aborts. One process of the node at a time.
   */
  async start(contact: Rid, signal: AbortSignal): Promise<void> {
    const { log, clock, store, profileEvents, backoff = DEFAULT_BACKOFF } = this.#options
    let saidAt = Number.NEGATIVE_INFINITY
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        if (!(await this.needed(contact))) return
        await this.handshakeWith(contact)
        if (await this.#meet(contact, signal))
          return await store.setValue(introducedTo(contact), profileEvents.profileHash)
        throw new Error('it took the handshake, but does not tell its profile')
      } catch (error) {
        if (clock() - saidAt >= SAY_AGAIN_MS && !signal.aborted) {
          log.warn('the handshake did not work, trying again until it does', { peer: contact, error: messageOf(error) })
          saidAt = clock()
        }
        await sleep(backoffMs(failures, backoff), signal)
      }
    }
  }

  /** Waits for the contact's profile, and fetches it when it does not come. False when there is none. */
  async #meet(contact: Rid, signal: AbortSignal): Promise<boolean> {
    const { graph, answerMs = 5_000 } = this.#options
    const until = performance.now() + answerMs
    while (graph.profile(contact) === undefined && performance.now() < until && !signal.aborted) await sleep(20, signal)
    if (graph.profile(contact) !== undefined || signal.aborted) return true
    const bundle = await this.#profileOf(contact)
    if (bundle === undefined) return false
    const { manifest, contents } = bundle
    await this.#options.store.accept([{ rid: contact, manifest, contents, source: contact }])
    return true
  }

  async #profileOf(contact: Rid): Promise<Bundle | undefined> {
    const { client, log } = this.#options
    try {
      const { bundles } = await client.fetchBundles(contact, [contact])
      return bundles.find(({ manifest }) => manifest.rid === contact)
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      log.info('the first contact has not told its profile yet', { peer: contact, error: error.message })
      return undefined
    }
  }
}

const introducedTo = (contact: Rid): string => `introduced/${contact}`

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
