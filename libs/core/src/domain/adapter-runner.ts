import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Rid } from '@koi-mcp/protocol'
import type { KnowledgeChange } from '../knowledge/knowledge-reader.ts'
import type { Logger } from '../logger.ts'
import type { Change, NodeStore, StoredBundle } from '../store/node-store.ts'
import type { TraceBook } from '../tracing/trace-book.ts'
import { spanning } from '../tracing/tracer.ts'
import type { KnowledgeAdapter } from './adapter.ts'
import { Waiters } from './waiters.ts'

/** What is read of a store: the cached bundles and the change log. */
export type KnowledgeLog = Pick<NodeStore, 'read' | 'listBundles' | 'changesAfter' | 'lastChange' | 'onWake'>

export interface AdapterRunnerOptions {
  readonly knowledge: KnowledgeLog
  readonly adapters: readonly KnowledgeAdapter[]
  readonly log: Logger
  /** Default: changes belong to no trace. */
  readonly traces?: Pick<TraceBook, 'within'> | undefined
  /** How often the log is looked at without having been woken, in milliseconds; default 1,000. */
  readonly sweepMs?: number
}

type ChangeListener = (change: KnowledgeChange) => void

const PAGE = 200

/**
 * Shows the adapters what is cached and then every change, in the order of the change log, and tells those who listen after it. It holds
 * one page at a time; what fails is logged and counted, and the rest goes on.
 */
export class AdapterRunner {
  readonly #options: AdapterRunnerOptions
  /** Those that keep something; the others read what they need when they are asked. */
  readonly #keepers: readonly KnowledgeAdapter[]
  readonly #listeners = new Set<ChangeListener>()
  readonly #waiters = new Waiters()
  readonly #stopping = new AbortController()
  /** Seen on start in a newer state than the log had been read to; RID → place in the log. */
  readonly #aheadOfLog = new Map<Rid, number>()
  /** Their NEW was passed over, as a later change of theirs follows. */
  readonly #unregistered = new Set<Rid>()
  #cursor = 0
  #errors = 0
  #wake: () => void = () => undefined
  #woken = false
  #following: Promise<void> | undefined
  /** Those who asked for everything to be registered again, told when it is. */
  #recoveries: { resolve: () => void; reject: (error: unknown) => void }[] = []

  constructor(options: AdapterRunnerOptions) {
    this.#options = options
    this.#keepers = options.adapters.filter(keeps)
  }

  /** How many calls of adapters and listeners have failed. */
  get errors(): number {
    return this.#errors
  }

  /** Listeners are told of every change after the adapters. Returns unsubscribe. */
  onChange(listener: ChangeListener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Resolves once everything cached is registered; from then on the log is followed until the signal, or `stop`. */
  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options
    const stop = (): void => this.#halt()
    signal?.addEventListener('abort', stop, { once: true })
    if (signal?.aborted) stop()
    const unsubscribe = this.#options.knowledge.onWake((wake) => {
      if (wake.changes) this.#wakeUp()
    })
    const end = (): void => {
      unsubscribe()
      signal?.removeEventListener('abort', stop)
      this.#waiters.close(stoppedBefore())
      for (const { reject } of this.#recoveries.splice(0)) reject(stoppedBefore())
    }
    try {
      this.#cursor = await this.#options.knowledge.lastChange()
      await this.#registerCached()
    } catch (error) {
      end()
      throw error
    }
    this.#waiters.reached(this.#cursor)
    this.#following = this.#follow().finally(end)
  }

  /** Registers everything cached with the adapters once more, between two changes of the log. Rejects if the runner stops before, or the store fails. */
  recover(): Promise<void> {
    if (this.#stopping.signal.aborted || this.#following === undefined) return Promise.reject(stoppedBefore())
    return new Promise((resolve, reject) => {
      this.#recoveries.push({ resolve, reject })
      this.#wakeUp()
    })
  }

  /** Resolves when the change at hand is done with. */
  async stop(): Promise<void> {
    this.#halt()
    await this.#following
  }

  /** Resolves when all changes made so far have been shown to adapters and listeners; rejects if the runner stops before. */
  async caughtUp(): Promise<void> {
    const last = await this.#options.knowledge.lastChange()
    this.#wakeUp()
    await this.#waiters.until(last)
  }

  async #registerCached(): Promise<void> {
    const types = [...new Set(this.#keepers.flatMap(({ ridTypes }) => ridTypes.map(({ name }) => name)))]
    if (types.length === 0) return
    for (let after: Rid | undefined; !this.#stopping.signal.aborted;) {
      const page = await this.#options.knowledge.listBundles({ types, after, limit: PAGE })
      for (const entity of page) {
        if (entity.seq > this.#cursor) this.#aheadOfLog.set(entity.rid, entity.seq)
        await this.#show(entity.rid, 'register', entity)
      }
      after = page.at(-1)?.rid
      if (after === undefined) return
      await nextTurn()
    }
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      this.#woken = false
      let more = false
      await this.#recoverNow()
      try {
        more = await this.#readOn()
      } catch (error) {
        if (!signal.aborted) this.#failed('the change log cannot be read, trying again', error, {})
      }
      if (more) await nextTurn()
      else await this.#sleep()
    }
  }

  async #recoverNow(): Promise<void> {
    const asked = this.#recoveries.splice(0)
    if (asked.length === 0) return
    try {
      await this.#registerCached()
      for (const { resolve, reject } of asked) {
        if (this.#stopping.signal.aborted) reject(stoppedBefore())
        else resolve()
      }
    } catch (error) {
      for (const { reject } of asked) reject(error)
    }
  }

  /** Works one page of the log off; answers whether there may be more. */
  async #readOn(): Promise<boolean> {
    const { knowledge } = this.#options
    const last = await knowledge.lastChange()
    if (last <= this.#cursor) return false
    const changes = await knowledge.changesAfter(this.#cursor, PAGE)
    for (const change of changes) {
      if (this.#stopping.signal.aborted) return false
      await this.#within(change.rid, async () => {
        await this.#showChange(change)
        this.#tell(change)
      })
      this.#cursor = change.seq
    }
    // Places whose changes were overwritten are gone from the log.
    if (changes.length < PAGE) {
      this.#cursor = Math.max(this.#cursor, last)
      this.#aheadOfLog.clear()
    }
    this.#waiters.reached(this.#cursor)
    return changes.length === PAGE
  }

  #within(rid: Rid, work: () => Promise<void>): Promise<void> {
    const { traces } = this.#options
    return traces === undefined ? work() : traces.within(rid, work)
  }

  async #showChange({ seq, rid, eventType }: Change): Promise<void> {
    if (!this.#keepers.some((adapter) => handles(adapter, rid))) return
    if (seq <= (this.#aheadOfLog.get(rid) ?? 0)) return
    if (eventType === 'FORGET') {
      this.#unregistered.delete(rid)
      await this.#show(rid, 'forget')
      return
    }
    const entity = await this.#options.knowledge.read(rid)
    if (entity?.seq !== seq) {
      // A later change of it follows in the log, and shows what is there then.
      if (eventType === 'NEW') this.#unregistered.add(rid)
      return
    }
    const registered = !this.#unregistered.delete(rid) && eventType === 'UPDATE'
    await this.#show(rid, registered ? 'update' : 'register', entity)
  }

  async #show(rid: Rid, operation: 'register' | 'update' | 'forget', entity?: StoredBundle): Promise<void> {
    for (const adapter of this.#keepers) {
      if (!handles(adapter, rid)) continue
      try {
        await spanning(`adapter ${operation}`, { attributes: { 'koi_mcp.adapter': adapter.name } }, async () => {
          if (entity === undefined) await adapter.forget?.(rid)
          else if (operation === 'update' && adapter.update !== undefined) await adapter.update(entity)
          else await adapter.register?.(entity)
        })
      } catch (error) {
        this.#failed(`adapter ${adapter.name} failed to ${operation}`, error, { rid })
      }
    }
  }

  #tell({ seq, rid, eventType, origin }: Change): void {
    for (const listener of this.#listeners) {
      try {
        listener({ seq, rid, eventType, origin })
      } catch (error) {
        this.#failed('a listener to changes failed', error, { rid })
      }
    }
  }

  #failed(message: string, error: unknown, fields: Readonly<Record<string, unknown>>): void {
    this.#errors += 1
    this.#options.log.error(message, { ...fields, error })
  }

  async #sleep(): Promise<void> {
    if (this.#woken || this.#stopping.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#options.sweepMs ?? 1_000)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = () => undefined
  }

  #wakeUp(): void {
    this.#woken = true
    this.#wake()
  }

  #halt(): void {
    this.#stopping.abort()
    this.#wake()
  }
}

function stoppedBefore(): Error {
  return new Error('stopped before all changes were shown to the adapters')
}

function handles(adapter: KnowledgeAdapter, rid: Rid): boolean {
  return adapter.ridTypes.some((type) => type.matches(rid))
}

function keeps(adapter: KnowledgeAdapter): boolean {
  return adapter.register !== undefined || adapter.update !== undefined || adapter.forget !== undefined
}
