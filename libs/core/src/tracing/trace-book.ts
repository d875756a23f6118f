import { createHash } from 'node:crypto'
import { context, ROOT_CONTEXT, trace, TraceFlags } from '@opentelemetry/api'
import type { Context } from '@opentelemetry/api'
import { ridTypeOf } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
import type { DeliveryBatch, NewArrival, NodeStore } from '../store/node-store.ts'
import { isTracing, spanning, traceHeaders, traceOf } from './tracer.ts'

/** RIDs whose traces this process knows by itself. */
const KNOWN = 10_000
/** Places in the store, shared by all RIDs that fall on one: the last one stays. */
const PLACES = 4_096
/** Of one envelope, whose other RIDs only this process knows. */
const KEPT_AT_ONCE = 32

/**
 * Which trace each RID belongs to since it was last published, or came from another node: from there its way through inbox, pipeline and outbox goes on, in whichever
 * process of the node. Sampled traces alone are kept; without a tracer nothing is.
 */
export class TraceBook {
  readonly #store: Pick<NodeStore, 'getValue' | 'setValue'>
  readonly #log: Logger
  readonly #known = new Map<Rid, Context>()

  constructor(store: Pick<NodeStore, 'getValue' | 'setValue'>, log: Logger) {
    this.#store = store
    this.#log = log
  }

  /** The active trace is that of these RIDs. In the store too, before this resolves; a store that is away costs the trace alone. */
  async remember(rids: readonly Rid[]): Promise<void> {
    if (!isTracing()) return
    const active = context.active()
    const span = trace.getSpanContext(active)
    if (span === undefined) return
    const { traceparent } = traceHeaders()
    const isSampled = (span.traceFlags & TraceFlags.SAMPLED) !== 0 && traceparent !== undefined
    for (const rid of rids) {
      // Of one that is not sampled: that what came before is over.
      this.#note(rid, isSampled ? active : ROOT_CONTEXT)
    }
    if (!isSampled) return
    const kept = rids.slice(0, KEPT_AT_ONCE).map((rid) => this.#store.setValue(placeOf(rid), `${traceparent} ${rid}`))
    for (const result of await Promise.allSettled(kept)) {
      if (result.status === 'rejected')
        this.#log.debug('a trace could not be kept', { error: result.reason as unknown })
    }
  }

  /** Works within the RID's trace. */
  async within<T>(rid: Rid, work: () => Promise<T>): Promise<T> {
    return isTracing() ? context.with(await this.of(rid), work) : work()
  }

  /** Handles an arrival in a span, from which its way goes on in this process: to subscribers and adapters. */
  async handling<T>({ rid, eventType }: Pick<NewArrival, 'rid' | 'eventType'>, work: () => Promise<T>): Promise<T> {
    if (!isTracing()) return work()
    const parent = await this.of(rid)
    const attributes = { 'koi_mcp.rid': rid, ...(eventType && { 'koi_mcp.event': eventType }) }
    return spanning(`handle ${ridTypeOf(rid)}`, { kind: 'consumer', attributes, parent }, () => {
      if (trace.getSpanContext(parent) !== undefined) this.#note(rid, context.active())
      return work()
    })
  }

  /** Sends a batch in a span: of the trace of all its events, or of none with links to theirs. */
  async sending<T>({ target, rids }: Pick<DeliveryBatch, 'target' | 'rids'>, work: () => Promise<T>): Promise<T> {
    if (!isTracing()) return work()
    const contexts = await Promise.all([...new Set(rids)].map((rid) => this.of(rid)))
    const traces = new Map<string | undefined, Context>()
    for (const one of contexts) traces.set(trace.getSpanContext(one)?.traceId, one)
    const [parent = ROOT_CONTEXT] = traces.values()
    const parts = traces.size === 1 ? { parent } : { parent: ROOT_CONTEXT, links: [...traces.values()] }
    const attributes = { 'koi_mcp.peer': target, 'koi_mcp.events': rids.length }
    return spanning('deliver', { kind: 'producer', attributes, ...parts }, work)
  }

  /** Where the RID's way goes on; a new trace where nothing is known. */
  async of(rid: Rid): Promise<Context> {
    if (!isTracing()) return ROOT_CONTEXT
    const known = this.#known.get(rid)
    if (known !== undefined) return known
    const kept = await this.#store.getValue(placeOf(rid)).catch(() => undefined)
    const end = kept?.indexOf(' ') ?? -1
    if (kept === undefined || kept.slice(end + 1) !== rid) return ROOT_CONTEXT
    return traceOf({ traceparent: kept.slice(0, end) }, ROOT_CONTEXT)
  }

  #note(rid: Rid, at: Context): void {
    this.#known.delete(rid)
    this.#known.set(rid, at)
    const [oldest] = this.#known.keys()
    if (this.#known.size > KNOWN && oldest !== undefined) this.#known.delete(oldest)
  }
}

function placeOf(rid: Rid): string {
  return `trace/${createHash('sha1').update(rid).digest().readUInt16BE() % PLACES}`
}
