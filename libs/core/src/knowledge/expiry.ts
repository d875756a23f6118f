import type { Manifest, Rid } from '@koi-mcp/protocol'
import { KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import { sleep } from '../network/backoff.ts'
import { LeaseLostError } from '../store/node-store.ts'
import type { NamedLease, NodeStore } from '../store/node-store.ts'
import { underLease } from '../store/under-lease.ts'
import type { TimeToLive } from './time-to-live.ts'

export interface ExpiryOptions {
  readonly ttl: TimeToLive
  readonly store: Pick<
    NodeStore,
    'takeLease' | 'releaseLease' | 'countByType' | 'listRids' | 'readManifests' | 'read' | 'accept'
  >
  readonly log: Logger
  readonly steady: Clock
}

const LEASE = 'expiry'
const PAGE = 500
const AT_ONCE = 16
/** The cache is looked through, so a large one costs time: at most so much of it. */
const REST = 20
const DAY_MS = 24 * 3_600_000

/**
 * Lets go what is too old, one process of the node at a time: our own knowledge is forgotten and announced, that of others is dropped here. Each goes
 * its way through the inbox, behind what came before it, and only if what is cached by then is still what expired.
 */
export class Expiry {
  readonly #options: ExpiryOptions
  readonly #owner = `expiry-${crypto.randomUUID()}`

  constructor(options: ExpiryOptions) {
    this.#options = options
  }

  /** Looks from time to time until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { ttl, log } = this.#options
    while (!signal.aborted) {
      const began = performance.now()
      const doubtMs = ttl.doubtMs()
      try {
        if (doubtMs === 0) await this.sweep(signal)
      } catch (error) {
        if (!(error instanceof LeaseLostError)) log.error('what expired waits for the store', { error })
      }
      await sleep(doubtMs > 0 ? doubtMs : Math.max(ttl.everyMs, REST * (performance.now() - began)), signal)
    }
  }

  /** One look at everything. @throws what the store throws */
  async sweep(signal: AbortSignal): Promise<void> {
    const { store, ttl, log } = this.#options
    const limit = ttl.limit()
    await underLease(store, { name: LEASE, owner: this.#owner }, async (lease) => {
      const types = [...(await store.countByType()).keys()].filter((type) => !OF_THE_NETWORK.includes(type))
      let count = 0
      let after: Rid | undefined
      for (let more = types.length > 0; more && !signal.aborted;) {
        const rids = await store.listRids({ types, after, limit: PAGE })
        const expired = (await store.readManifests(rids)).filter((manifest) => ttl.hasExpired(manifest, limit))
        for (let from = 0; from < expired.length; from += AT_ONCE) {
          const some = expired.slice(from, from + AT_ONCE)
          const went = await Promise.all(some.map((manifest) => this.#letGo(manifest, lease)))
          count += went.filter(Boolean).length
        }
        after = rids.at(-1)
        more = rids.length === PAGE
      }
      if (count > 0) log.info('knowledge is older than persistence.ttl and goes', { count })
    })
  }

  /** Once a day at most: it may wait long in its lane, or end as a dead letter. */
  async #letGo(manifest: Manifest, lease: NamedLease): Promise<boolean> {
    const { store, steady } = this.#options
    const { rid } = manifest
    const stored = await store.read(rid)
    if (stored?.bundle.manifest.text !== manifest.text) return false
    const once = { key: `expired/${manifest.timestamp}/${rid}`, until: steady() + DAY_MS }
    const arrivals = [{ rid, eventType: 'FORGET', manifest, source: stored.origin }] as const
    return !(await store.accept(arrivals, once, lease)).repeated
  }
}

const OF_THE_NETWORK: readonly string[] = [KOI_NET_NODE.name, KOI_NET_EDGE.name]
