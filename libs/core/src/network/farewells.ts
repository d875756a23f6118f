import { BROADCAST_EVENTS_PATH } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
import type { NodeStore } from '../store/node-store.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { AddressBook } from './address-book.ts'
import { backoffMs, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import type { HttpExchange, HttpReply } from './http-exchange.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

const PREFIX = 'farewell/'
const DIGITS = 6

/** Where an envelope waits that a node signed with the key it had before; those for one target go out in the order of their numbers. */
export function farewellKey(target: Rid, number: number): string {
  return `${PREFIX}${target} ${String(number).padStart(DIGITS, '0')}`
}

const targetOf = (key: string): Rid => key.slice(PREFIX.length, -DIGITS - 1) as Rid

export interface FarewellsOptions {
  readonly store: Pick<NodeStore, 'listValues' | 'getValue' | 'setValue'>
  readonly http: Pick<HttpExchange, 'post'>
  readonly addressOf: AddressBook
  /** Nodes that are not on it are not called. */
  readonly peers: PeerList
  readonly log: Logger
  readonly backoff: BackoffOptions
  /** Ends the calls that are on their way. */
  readonly signal: AbortSignal
}

/**
 * The last words of the node that this one was before its key was changed (`rotateKey`). A peer hears them before anything else from here: as long as
 * it knows the old node, it believes nobody else about what that one published.
 */
export class Farewells {
  readonly #options: FarewellsOptions
  readonly #waiting = new Map<Rid, string[]>()
  readonly #running = new Map<Rid, Promise<void>>()

  constructor(options: FarewellsOptions) {
    this.#options = options
  }

  /** Reads what waits; called once, at start. */
  async recall(): Promise<void> {
    for (const key of [...(await this.#options.store.listValues(PREFIX)).keys()].sort()) {
      const target = targetOf(key)
      this.#waiting.set(target, [...(this.#waiting.get(target) ?? []), key])
    }
  }

  /** A client that says farewell to a node before it calls it, and fails as long as that fails. */
  ahead(client: PeerClient): PeerClient {
    const after =
      <A extends [Rid, ...unknown[]], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        if (this.#waiting.has(args[0])) await this.#say(args[0])
        return call(...args)
      }
    return {
      broadcastEvents: after((...args) => client.broadcastEvents(...args)),
      pollEvents: after((...args) => client.pollEvents(...args)),
      fetchRids: after((...args) => client.fetchRids(...args)),
      fetchManifests: after((...args) => client.fetchManifests(...args)),
      fetchBundles: after((...args) => client.fetchBundles(...args)),
    }
  }

  /** Says everything that waits, to peers that are away when they are back. Never rejects; ends early when the signal aborts. */
  async sayAll(signal: AbortSignal): Promise<void> {
    await Promise.all([...this.#waiting.keys()].map((node) => this.#untilSaid(node, signal)))
  }

  async #untilSaid(node: Rid, signal: AbortSignal): Promise<void> {
    const { log, backoff } = this.#options
    for (let failures = 1; !signal.aborted && this.#waiting.has(node); failures++) {
      try {
        await this.#say(node)
      } catch (error) {
        if (failures === 1) log.warn('the farewell did not arrive, trying again until it does', { peer: node, error })
        await sleep(backoffMs(failures, backoff), signal)
      }
    }
  }

  /** Whoever asks meanwhile waits for the same attempt. */
  #say(node: Rid): Promise<void> {
    let running = this.#running.get(node)
    if (running === undefined) {
      running = this.#sayNow(node).finally(() => this.#running.delete(node))
      this.#running.set(node, running)
    }
    return running
  }

  async #sayNow(node: Rid): Promise<void> {
    const { store, log } = this.#options
    const keys = this.#waiting.get(node) ?? []
    for (let key = keys[0]; key !== undefined; key = keys[0]) {
      const envelope = await store.getValue(key)
      if (envelope !== undefined) await this.#post(node, envelope)
      await store.setValue(key, undefined)
      keys.shift()
    }
    this.#waiting.delete(node)
    log.info('said farewell as the node of the key before', { peer: node })
  }

  async #post(node: Rid, envelope: string): Promise<void> {
    const { http, addressOf, peers, log, signal } = this.#options
    const url = peers.has(node) ? addressOf(node)?.url.replace(/\/+$/, '') : undefined
    if (url === undefined)
      return log.warn('a farewell is left out: its peer has no address, or is not listed', { peer: node })
    let reply: HttpReply
    try {
      reply = await http.post(url + BROADCAST_EVENTS_PATH, envelope, signal)
    } catch (cause) {
      throw new PeerError('UNREACHABLE', node, String(cause), { retryable: true, cause })
    }
    const { status, body } = reply
    if (status >= 200 && status < 300) return
    const said = `answered with status ${status}: ${Buffer.from(body).toString('utf8', 0, 200)}`
    if (status >= 500 || [408, 425, 429].includes(status))
      throw new PeerError('SERVER_ERROR', node, said, { retryable: true })
    // Mostly it does not know the old node any more.
    log.info('a farewell was not taken, and is left out', { peer: node, error: said })
  }
}
