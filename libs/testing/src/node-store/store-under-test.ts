import { NO_EMISSIONS } from '@koi-mcp/core'
import type { Clock, Emissions, LaneLease, NewArrival, NodeStore, PendingArrival } from '@koi-mcp/core'
import { asRid, contentsOf, generateBundle, parseContents } from '@koi-mcp/protocol'
import type { Bundle, EventType, Rid } from '@koi-mcp/protocol'
import type { NodeStoreSubject } from '../node-store-suite.ts'

export const START = Date.UTC(2026, 0, 1)
export const LEASE_MS = 30_000
export const PEER = asRid(`orn:koi-net.node:peer+${'a'.repeat(64)}`)
export const OTHER_PEER = asRid(`orn:koi-net.node:other+${'b'.repeat(64)}`)

/** An RID of the catalogue type, for tests that need any. */
export function dataset(reference: string): Rid {
  return asRid(`orn:data-catalog.dataset:${reference}`)
}

/** A bundle as a peer would send it. `contents` as text keeps every byte of it. */
export function bundleOf(
  rid: Rid,
  contents: string | object = { name: 'x' },
  timestamp = '2026-01-01T00:00:00Z',
): Bundle {
  return generateBundle(rid, typeof contents === 'string' ? parseContents(contents) : contentsOf(contents), timestamp)
}

export function arrivalOf(bundle: Bundle, eventType: EventType = 'NEW', source: Rid = PEER): NewArrival {
  return { rid: bundle.manifest.rid, eventType, manifest: bundle.manifest, contents: bundle.contents, source }
}

/** An event's text in its parts; its contents stay text, for they must come through to the byte. */
export function eventOf(text: string): { rid: string; event_type: string; manifest?: unknown; contents?: string } {
  const { contents, ...event } = JSON.parse(text) as {
    rid: string
    event_type: string
    manifest?: unknown
    contents?: object
  }
  if (contents === undefined) return event
  return { ...event, contents: text.slice(text.indexOf('"contents":') + '"contents":'.length, -1) }
}

/** One store, its clock, and the short ways through it that tests share. */
export class StoreUnderTest {
  now = START
  readonly clock: Clock = () => this.now
  #subject: NodeStoreSubject | undefined
  #store: NodeStore | undefined

  get store(): NodeStore {
    if (this.#store === undefined) throw new Error('no store is open')
    return this.#store
  }

  async begin(subject: NodeStoreSubject): Promise<void> {
    this.now = START
    this.#subject = subject
    this.#store = await subject.open(this.clock)
  }

  async end(): Promise<void> {
    await this.#store?.close()
    this.#store = undefined
  }

  /** Closes the store and opens its state again. */
  async reopen(): Promise<NodeStore> {
    await this.end()
    this.#store = await this.#subject?.reopen?.(this.clock)
    return this.store
  }

  async lease(owner = 'worker'): Promise<LaneLease> {
    const lease = (await this.store.takeLanes(owner, LEASE_MS, 1))[0]?.lease
    if (lease === undefined) throw new Error('no lane has due work')
    return lease
  }

  async next(lease: LaneLease): Promise<PendingArrival> {
    const arrival = await this.store.nextArrival(lease)
    if (arrival === undefined) throw new Error(`lane ${lease.lane} has no due arrival`)
    return arrival
  }

  /** Takes the RID into the cache, with everything before it in the inbox done, and tells the targets. Returns the change's place. */
  async put(
    bundle: Bundle,
    targets: readonly Rid[] = [],
    eventType: 'NEW' | 'UPDATE' = 'NEW',
    origin?: Rid,
  ): Promise<number> {
    await this.store.accept([arrivalOf(bundle, eventType, origin)])
    return await this.#run(targets, { kind: 'write', normalizedEventType: eventType, bundle, origin })
  }

  async forget(rid: Rid, targets: readonly Rid[] = []): Promise<number> {
    await this.store.accept([{ rid, eventType: 'FORGET' }])
    return await this.#run(targets, { kind: 'forget' })
  }

  async #run(targets: readonly Rid[], change: Parameters<NodeStore['apply']>[2]): Promise<number> {
    const lease = await this.lease()
    const { place } = await this.next(lease)
    const { seq } = await this.store.apply(lease, place, change, NO_EMISSIONS)
    await this.store.announce(lease, place, targets, NO_EMISSIONS)
    await this.store.finish(lease, place, NO_EMISSIONS)
    await this.store.releaseLane(lease)
    return seq
  }
}

export function arrivals(...list: NewArrival[]): Emissions {
  return { ...NO_EMISSIONS, arrivals: list }
}
