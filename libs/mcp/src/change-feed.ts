import { spanning } from '@koi-mcp/core'
import type { FollowKnowledge, KnowledgeChange, Logger } from '@koi-mcp/core'

/** Changes of the list are told at most once in this time, in milliseconds. */
const LIST_CHANGED_INTERVAL = 250
/** Subscriptions to single bundles that are held in all, over all sessions and streams. */
const MAX_FOLLOWED = 100_000

/** Tells subscribers of one bundle, and of the list of bundles, that it changed. Shared by all sessions and streams. */
export class ChangeFeed {
  readonly #byRid = new Map<string, Set<() => void>>()
  readonly #list = new Set<() => void>()
  readonly #log: Logger
  readonly #unfollow: () => void
  #followed = 0
  #listTold = -Infinity
  #listTimer: NodeJS.Timeout | undefined

  constructor(changes: FollowKnowledge, log: Logger) {
    this.#log = log
    this.#unfollow = changes((change) => this.#changed(change))
  }

  /** Subscriptions to single bundles. */
  get followed(): number {
    return this.#followed
  }

  /** Whether no more subscriptions should be taken. */
  get full(): boolean {
    return this.#followed >= MAX_FOLLOWED
  }

  /** Calls `tell` after each change of the bundle, its coming and going too. Returns unsubscribe. */
  follow(rid: string, tell: () => void): () => void {
    // A function of its own for each subscription: one subscriber may ask for the same RID by two URIs.
    const subscription = (): void => tell()
    const subscribed = this.#byRid.get(rid) ?? new Set()
    this.#byRid.set(rid, subscribed.add(subscription))
    this.#followed += 1
    return () => {
      if (!subscribed.delete(subscription)) return
      this.#followed -= 1
      if (subscribed.size === 0 && this.#byRid.get(rid) === subscribed) this.#byRid.delete(rid)
    }
  }

  /** Calls `tell` after bundles came or went. Returns unsubscribe. */
  followList(tell: () => void): () => void {
    const subscription = (): void => tell()
    this.#list.add(subscription)
    return () => void this.#list.delete(subscription)
  }

  close(): void {
    this.#unfollow()
    clearTimeout(this.#listTimer)
    this.#byRid.clear()
    this.#list.clear()
  }

  #changed({ rid, eventType }: KnowledgeChange): void {
    const subscriptions = this.#byRid.get(rid)
    if (subscriptions !== undefined) {
      // In the trace of the change.
      const attributes = { 'koi_mcp.rid': rid, 'koi_mcp.subscriptions': subscriptions.size }
      void spanning('notify MCP clients', { kind: 'producer', attributes }, () =>
        Promise.resolve(this.#tell(subscriptions)),
      )
    }
    if (eventType === 'UPDATE' || this.#listTimer !== undefined) return
    const wait = this.#listTold + LIST_CHANGED_INTERVAL - performance.now()
    if (wait <= 0) this.#tellList()
    else this.#listTimer = setTimeout(() => this.#tellList(), wait).unref()
  }

  #tellList(): void {
    this.#listTimer = undefined
    this.#listTold = performance.now()
    this.#tell(this.#list)
  }

  #tell(subscriptions: ReadonlySet<() => void> | undefined): void {
    for (const tell of subscriptions ?? []) {
      try {
        tell()
      } catch (error) {
        this.#log.warn('An MCP subscriber could not be told of a change', { error })
      }
    }
  }
}
