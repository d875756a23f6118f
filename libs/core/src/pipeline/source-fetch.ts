import type { Bundle, Manifest, Rid } from '@koi-mcp/protocol'
import { PermanentError, TransientError } from '../domain/handler-errors.ts'
import type { Logger } from '../logger.ts'
import type { PeerClient } from '../network/peer-client.ts'
import { PeerError } from '../network/peer-client.ts'

/** Fetches from one source at the same time: one that does not answer shall not hold all lanes. */
const FETCHES_A_SOURCE = 8
const LOOK_AGAIN_MS = 1_000

/** Not a failure of anybody's: the arrival gives its lane back for a moment. */
export class NotNowError extends Error {
  readonly delayMs = LOOK_AGAIN_MS
}

/** Fetches what an event did not bring from the node that sent it. */
export class SourceFetch {
  readonly #client: Pick<PeerClient, 'fetchManifests' | 'fetchBundles'>
  readonly #log: Logger
  readonly #underWay = new Map<Rid, number>()

  constructor(client: Pick<PeerClient, 'fetchManifests' | 'fetchBundles'>, log: Logger) {
    this.#client = client
    this.#log = log
  }

  /** @throws NotNowError, TransientError, PermanentError */
  async manifest(source: Rid, rid: Rid): Promise<Manifest | undefined> {
    const reply = await this.#fetch(source, rid, () => this.#client.fetchManifests(source, { rids: [rid] }))
    return reply?.manifests.find((candidate) => candidate.rid === rid)
  }

  /** @throws NotNowError, TransientError, PermanentError */
  async bundle(source: Rid, rid: Rid): Promise<Bundle | undefined> {
    const reply = await this.#fetch(source, rid, () => this.#client.fetchBundles(source, [rid]))
    return reply?.bundles.find(({ manifest }) => manifest.rid === rid)
  }

  /** Nothing where the source can never be asked: any stranger can name an RID, and shall not fill the dead letters with it. */
  async #fetch<T>(source: Rid, rid: Rid, call: () => Promise<T>): Promise<T | undefined> {
    const underWay = this.#underWay.get(source) ?? 0
    if (underWay >= FETCHES_A_SOURCE) throw new NotNowError(`${underWay} fetches from ${source} are under way`)
    this.#underWay.set(source, underWay + 1)
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof PeerError)) throw error
      if (error.code === 'NO_ADDRESS' && !error.retryable) {
        this.#log.warn('dropped: told without its contents by a node that cannot be asked for them', {
          rid,
          peer: source,
        })
        return undefined
      }
      const message = `could not fetch from ${error.peer}: ${error.message}`
      throw error.retryable
        ? new TransientError(message, { cause: error })
        : new PermanentError(message, { cause: error })
    } finally {
      const left = (this.#underWay.get(source) ?? 1) - 1
      if (left === 0) this.#underWay.delete(source)
      else this.#underWay.set(source, left)
    }
  }
}
