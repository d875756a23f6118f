import { AsyncLocalStorage } from 'node:async_hooks'

import type { ServerEvent, ServerEventBus } from '@modelcontextprotocol/server'

import type { ChangeFeed } from './change-feed.ts'

/** The URIs of one `subscriptions/listen` request and the RIDs that their changes come under. */
export type ListenTargets = readonly { readonly uri: string; readonly rid: string }[]

/**
 * Carries changes to the streams of `subscriptions/listen` (2026-07-28). The SDK has a bus tell every stream every
 * event and compares URIs there; here a stream hears of its own URIs alone, in its own spelling of them.
 */
export class ListenBus implements ServerEventBus {
  readonly #feed: ChangeFeed
  /** The SDK subscribes while it serves the request, without saying for which: the request's context knows. */
  readonly #targets = new AsyncLocalStorage<ListenTargets>()

  constructor(feed: ChangeFeed) {
    this.#feed = feed
  }

  /** Serves a listen request, whose stream will hear of `targets`. */
  serve<T>(targets: ListenTargets, serve: () => T): T {
    return this.#targets.run(targets, serve)
  }

  subscribe(listener: (event: ServerEvent) => void): () => void {
    const stops = (this.#targets.getStore() ?? []).map(({ uri, rid }) =>
      this.#feed.follow(rid, () => listener({ kind: 'resource_updated', uri })),
    )
    stops.push(this.#feed.followList(() => listener({ kind: 'resources_list_changed' })))
    return () => {
      for (const stop of stops) stop()
    }
  }

  publish(): void {
    // Every event comes from the feed; tools and prompts do not change while a server runs.
  }
}
