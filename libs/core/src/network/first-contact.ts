import { asRid, parseWellKnown, REFERENCE_BASE_PATH, WELL_KNOWN_PATH } from '@koi-mcp/protocol'
import type { Rid, WellKnown } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NodeStore } from '../store/node-store.ts'
import type { PeerAddress } from './address-book.ts'
import { backoffMs, DEFAULT_BACKOFF, sleep } from './backoff.ts'
import type { BackoffOptions } from './backoff.ts'
import type { HttpExchange } from './http-exchange.ts'

export interface FirstContactOptions {
  /** Where to begin: a node's base URL, or the host it runs on. */
  readonly url: string
  /** The RID that must be found there (`network.first_contact_rid`); absent: trusted on first use, and remembered. */
  readonly rid?: Rid | undefined
  readonly http: Pick<HttpExchange, 'get'>
  readonly store: Pick<NodeStore, 'getValue' | 'setValue' | 'claimValue'>
  /** Must name it; default: anyone will do. */
  readonly peers?: PeerList | undefined
  readonly log: Logger
  readonly clock: Clock
  readonly backoff?: BackoffOptions
}

export type KnownContact = PeerAddress & { readonly rid: Rid }

/** The first contact is not who it should be. Somebody has to decide; the message says what can be done. */
export class FirstContactError extends Error {
  override readonly name = 'FirstContactError'
  readonly code = 'FIRST_CONTACT'
}

const SAY_AGAIN_MS = 30_000

/** Finds out which node listens at the one URL that this node was given (`GET /.well-known/koi-net.json` of its host). */
export class FirstContact {
  readonly #options: FirstContactOptions
  #known: KnownContact | undefined
  #remembered: Rid | undefined

  /** @throws FirstContactError when the URL is none */
  constructor(options: FirstContactOptions) {
    const { url } = options
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new FirstContactError(
        `network.first_contact ${JSON.stringify(url)} is no http or https address (example: http://localhost:9000/koi-net)`,
      )
    }
    this.#options = options
  }

  /** What is known so far; for the address book. */
  get known(): KnownContact | undefined {
    return this.#known
  }

  /** Who it is, as far as that is certain: found there in this run, pinned, or remembered. */
  get rid(): Rid | undefined {
    return this.#known?.rid ?? this.#options.rid ?? this.#remembered
  }

  /** Recalls who was found there in an earlier run. @throws FirstContactError when it is not listed */
  async recall(): Promise<void> {
    const { store, url } = this.#options
    const remembered = await store.getValue(rememberedAs(url))
    this.#remembered = remembered === undefined ? undefined : asRid(remembered)
    if (this.rid !== undefined) this.#mustBeListed(this.rid)
  }

  /**
   * Asks until there is an answer. A host that is down is no error: it is asked again, at longer and longer intervals.
   *
   * @returns undefined only when the signal aborted
   * @throws FirstContactError when another node than before, or than the configured one, answers there
   */
  async learn(signal: AbortSignal): Promise<KnownContact | undefined> {
    const { log, clock, url, backoff = DEFAULT_BACKOFF } = this.#options
    let saidAt = Number.NEGATIVE_INFINITY
    for (let failures = 1; !signal.aborted; failures++) {
      const found = await this.#ask(signal)
      if (typeof found !== 'string') return (this.#known = found)
      if (clock() - saidAt >= SAY_AGAIN_MS && !signal.aborted) {
        log.warn('the first contact does not answer, asking again until it does', { url, error: found })
        saidAt = clock()
      }
      await sleep(backoffMs(failures, backoff), signal)
    }
    return undefined
  }

  /** The contact, or why it could not be learned this time. */
  async #ask(signal: AbortSignal): Promise<KnownContact | string> {
    const { url, rid: pinned, http } = this.#options
    let problem: string
    try {
      const wellKnownUrl = new URL(WELL_KNOWN_PATH, url).href
      const { status, body } = await http.get(wellKnownUrl, signal)
      if (status === 200) return await this.#trust(parseWellKnown(Buffer.from(body).toString('utf8')))
      problem = `${wellKnownUrl} answered with status ${status}`
    } catch (error) {
      if (error instanceof FirstContactError) throw error
      problem = `${url}: ${error instanceof Error ? error.message : String(error)}`
    }
    // A reference node has no such page; whoever gave its RID has told us all that a handshake needs.
    if (pinned === undefined) return problem
    return { rid: pinned, url: new URL(url).pathname === '/' ? new URL(REFERENCE_BASE_PATH, url).href : url }
  }

  async #trust(wellKnown: WellKnown): Promise<KnownContact> {
    const { url, rid: pinned, store, log } = this.#options
    const key = rememberedAs(url)
    const remembered = await store.getValue(key)
    if (pinned !== undefined && pinned !== wellKnown.rid) {
      throw new FirstContactError(
        `${url} is the node ${wellKnown.rid}, but network.first_contact_rid says ${pinned}: correct whichever of the two is wrong`,
      )
    }
    if (pinned === undefined && remembered !== undefined) this.#mustBeTheSame(remembered, wellKnown.rid)
    this.#mustBeListed(wellKnown.rid)
    if (pinned !== undefined) {
      if (remembered !== wellKnown.rid) await store.setValue(key, wellKnown.rid)
    } else if (remembered === undefined) {
      // Another process of this node may be trusting somebody at the same moment.
      this.#mustBeTheSame(await store.claimValue(key, wellKnown.rid), wellKnown.rid)
      log.warn('trusting the first contact on first use; another node there will be refused later', {
        url,
        peer: wellKnown.rid,
      })
    }
    return { rid: wellKnown.rid, url: this.#addressIn(wellKnown), publicKey: wellKnown.profile.public_key }
  }

  #mustBeTheSame(remembered: string, rid: Rid): void {
    if (asRid(remembered) === rid) return
    throw new FirstContactError(
      `${this.#options.url} was the node ${remembered} and is now ${rid}: its key was changed, or somebody else answers there. ` +
        `If the change is meant, set network.first_contact_rid to ${rid}`,
    )
  }

  #mustBeListed(rid: Rid): void {
    const { url, peers } = this.#options
    if (peers?.has(rid) === false) {
      throw new FirstContactError(
        `the first contact ${url} is the node ${rid}, which is not listed: add it to security.peer_types, or set security.peers to open`,
      )
    }
  }

  /** Where to call it until its profile says so: the URL that was given, when it is one, for that is known to be reachable. */
  #addressIn({ base_url, rid }: WellKnown): string {
    const { url, log } = this.#options
    const given = new URL(url)
    const announced = new URL(base_url)
    if (given.origin !== announced.origin) {
      log.warn('the first contact calls itself by another address than the one given here', {
        url,
        peer: rid,
        base_url,
      })
    }
    if (given.pathname !== '/') return url
    return given.origin === announced.origin ? base_url : given.origin + announced.pathname
  }
}

const rememberedAs = (url: string): string => `first-contact/${url}`
