import { formatTimestamp, generateBundle, microsOf, ridTypeOf } from '@koi-mcp/protocol'
import type { Bundle, Contents, Manifest, Rid, RidType } from '@koi-mcp/protocol'
import type { Clock } from '../clock.ts'
import type { NodeGraph } from '../graph/node-graph.ts'
import type { Logger } from '../logger.ts'
import type { PeerList } from '../security/peer-list.ts'
import type { NodeStore } from '../store/node-store.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

/** Finds the contents of RIDs of some types by itself, such as a page by its address (the reference's `DerefHandler`). */
export interface DerefHandler {
  readonly name: string
  readonly ridTypes: readonly RidType[]
  /** The contents now, or nothing when there are none. */
  deref(rid: Rid, signal: AbortSignal): Promise<Contents | undefined>
}

export interface ResolverOptions {
  readonly self: Rid
  readonly client: Pick<PeerClient, 'fetchManifests' | 'fetchBundles'>
  readonly graph: Pick<NodeGraph, 'stateProviders'>
  readonly store: Pick<NodeStore, 'read' | 'accept'>
  readonly peers?: PeerList | undefined
  readonly log: Logger
  readonly clock: Clock
  readonly signal: AbortSignal
}

export interface DerefOptions {
  /** Passes over the cache. */
  readonly refresh?: boolean | undefined
  /** Asks the nodes that provide the type's state when there is nothing here. */
  readonly network?: boolean | undefined
  /** Puts what was found into the inbox; default true. */
  readonly handle?: boolean | undefined
}

export interface Dereferenced {
  readonly bundle: Bundle
  readonly from: 'cache' | 'handler' | 'network'
  /** The node that gave it, when it came from the network. */
  readonly node?: Rid | undefined
}

/** From an RID to what it stands for: the cache, then a handler of its type, then the network (the reference's `Effector` and `NetworkResolver`). */
export class Resolver {
  readonly #options: ResolverOptions
  readonly #handlers = new Map<string, DerefHandler>()

  constructor(options: ResolverOptions) {
    this.#options = options
  }

  /** @throws Error when a type has a handler already */
  registerDerefHandler(handler: DerefHandler): void {
    for (const { name } of handler.ridTypes) {
      const other = this.#handlers.get(name)
      if (other !== undefined)
        throw new Error(
          `${name} is dereferenced by ${other.name} already, so not by ${handler.name}: register one of them`,
        )
      this.#handlers.set(name, handler)
    }
  }

  async deref(
    rid: Rid,
    { refresh = false, network = false, handle = true }: DerefOptions = {},
  ): Promise<Dereferenced | undefined> {
    const { store } = this.#options
    if (!refresh) {
      const cached = await store.read(rid)
      if (cached !== undefined) return { bundle: cached.bundle, from: 'cache' }
    }
    const found = await this.#byHandler(rid)
    if (found !== undefined) {
      // Our own knowledge: the store stamps it, later than all that it has of the RID.
      if (handle) await store.accept([{ rid, contents: found.bundle.contents }])
      return found
    }
    if (!network) return undefined
    const remote = await this.fetchRemoteBundle(rid)
    if (remote === undefined) return undefined
    const { bundle, node } = remote
    if (handle) await store.accept([{ rid, manifest: bundle.manifest, contents: bundle.contents, source: node }])
    return { bundle, from: 'network', node }
  }

  /** From the first node that has it, of those that provide the type's state. */
  async fetchRemoteBundle(rid: Rid): Promise<{ readonly bundle: Bundle; readonly node: Rid } | undefined> {
    return await this.#ask(rid, async (node) => {
      const { bundles } = await this.#options.client.fetchBundles(node, [rid])
      const bundle = bundles.find(({ manifest }) => manifest.rid === rid)
      return bundle && { bundle, node }
    })
  }

  async fetchRemoteManifest(rid: Rid): Promise<{ readonly manifest: Manifest; readonly node: Rid } | undefined> {
    return await this.#ask(rid, async (node) => {
      const { manifests } = await this.#options.client.fetchManifests(node, { rids: [rid] })
      const manifest = manifests.find((candidate) => candidate.rid === rid)
      return manifest && { manifest, node }
    })
  }

  async #ask<T>(rid: Rid, askOne: (node: Rid) => Promise<T | undefined>): Promise<T | undefined> {
    const { graph, peers, log, self, signal } = this.#options
    const type = ridTypeOf(rid)
    for (const node of graph.stateProviders(type)) {
      if (signal.aborted) return undefined
      if (node === self || peers?.allows(node, type) === false) continue
      try {
        const found = await askOne(node)
        if (found !== undefined) return found
      } catch (error) {
        if (!(error instanceof PeerError)) throw error
        log.info('a provider could not be asked', { rid, peer: node, error: error.message })
      }
    }
    return undefined
  }

  async #byHandler(rid: Rid): Promise<Dereferenced | undefined> {
    const { clock, log, signal } = this.#options
    const handler = this.#handlers.get(ridTypeOf(rid))
    if (handler === undefined) return undefined
    try {
      const contents = await handler.deref(rid, signal)
      if (contents === undefined) return undefined
      return { bundle: generateBundle(rid, contents, formatTimestamp(microsOf(new Date(clock())))), from: 'handler' }
    } catch (error) {
      log.warn('a deref handler failed', {
        rid,
        handler: handler.name,
        error: error instanceof Error ? error.message : String(error),
      })
      return undefined
    }
  }
}
