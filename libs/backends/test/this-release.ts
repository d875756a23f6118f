import { NO_EMISSIONS } from '@koi-mcp/core'
import type { CacheChange, NewArrival, NodeStore } from '@koi-mcp/core'
import { openPostgresStore } from '../src/postgres/open-postgres-store.ts'
import { LEASE_MS, PEER } from './release.ts'
import type { Release, ReleaseOptions } from './release.ts'

export class ThisRelease implements Release {
  readonly #store: NodeStore
  readonly #name: string

  constructor(store: NodeStore, name: string) {
    this.#store = store
    this.#name = name
  }

  static async open({ url, schema, name }: ReleaseOptions): Promise<ThisRelease> {
    return new ThisRelease(await openPostgresStore({ url, schema }), name)
  }

  async accept(arrival: NewArrival): Promise<void> {
    await this.#store.accept([arrival])
  }

  async work(way: 'at once' | 'in steps'): Promise<void> {
    const store = this.#store
    const [taken] = await store.takeLanes(this.#name, LEASE_MS, 1)
    if (taken === undefined) return
    const { lease, first } = taken
    const { place, phase } = first
    const bundle = { manifest: first.manifest!, contents: first.contents! }
    const change: CacheChange = { kind: 'write', normalizedEventType: 'NEW', bundle }
    if (phase === 'received' && way === 'at once') {
      await store.settle(lease, place, change, { targets: [PEER], asOf: await store.lastChange() }, NO_EMISSIONS)
    } else {
      if (phase === 'received') await store.apply(lease, place, change, NO_EMISSIONS)
      await store.announce(lease, place, [PEER], NO_EMISSIONS)
      await store.finish(lease, place, NO_EMISSIONS)
    }
    await store.releaseLane(lease)
  }

  async deliver(): Promise<readonly string[]> {
    const options = { owner: this.#name, leaseMs: LEASE_MS, limit: 0, ignoreDue: true }
    const batch = await this.#store.takeDeliveries(PEER, options)
    if (batch === undefined) return []
    await this.#store.deliveriesDone(batch)
    return batch.eventTexts
  }

  async pending(): Promise<number> {
    return (await this.#store.inboxState()).pending
  }

  async holdings() {
    const store = this.#store
    return {
      deadLetters: (await store.inboxState()).deadLetters,
      queued: (await store.outboxState()).length,
      changes: (await store.changesAfter(0, 10_000)).map(({ rid }) => rid).sort(),
      cached: new Map((await store.listBundles()).map(({ rid, bundle }) => [rid, bundle.contents.text])),
    }
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}
