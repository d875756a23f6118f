import type { Rid } from '@koi-mcp/protocol'
import type { Logger } from '../logger.ts'
import type { DeliveryBatch } from '../store/node-store.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

/** `smaller`: take the batch again with the attempt's new limit, at once. */
export type Delivered =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'smaller'; readonly error: string }
  | { readonly kind: 'failed'; readonly error: string }

export interface BroadcastOptions {
  readonly client: Pick<PeerClient, 'broadcastEvents'>
  /** Text of a NEW event with our own profile, put in front when a peer says that it does not know us. */
  readonly ownProfileEvent: () => Promise<string>
  readonly log: Logger
}

/** A server that fails this often in a row may be failing over one of the events. */
const FAILURES_THAT_ACCUSE_AN_EVENT = 3

/**
 * One run of deliveries to one target. An envelope can be refused over a single event in it, one whose RID or contents that peer cannot read or prints
 * back changed (its signature fails there then), and would hold up all that is queued behind it for ever. So a refused batch is halved until one event
 * is left; when the peer refuses that alone, takes an empty envelope and refuses it again, the event is given up and said so in the log.
 */
export class DeliveryAttempt {
  readonly #options: BroadcastOptions
  /** Events to take next; undefined = as many as usual. */
  limit: number | undefined

  constructor(options: BroadcastOptions) {
    this.#options = options
  }

  async send(batch: DeliveryBatch): Promise<Delivered> {
    const error = await broadcast(batch.target, batch.eventTexts, this.#options)
    if (error === undefined) {
      this.limit = this.limit === undefined ? undefined : this.limit * 2
      return { kind: 'delivered' }
    }
    if (!mayBeOneEvent(error, batch.failures)) return { kind: 'failed', error: error.message }
    if (batch.eventTexts.length > 1) {
      this.limit = Math.ceil(batch.eventTexts.length / 2)
      return { kind: 'smaller', error: error.message }
    }
    const emptyRefused = await broadcast(batch.target, [], this.#options)
    if (emptyRefused !== undefined) return { kind: 'failed', error: error.message }
    // A peer that came back in between took the empty envelope for that reason, and takes the event as well.
    const again = await broadcast(batch.target, batch.eventTexts, this.#options)
    if (again === undefined) return { kind: 'delivered' }
    if (!mayBeOneEvent(again, batch.failures)) return { kind: 'failed', error: again.message }
    const [rid] = batch.rids
    this.#options.log.error('the peer takes no envelope with this event, left out', {
      rid,
      peer: batch.target,
      error: error.message,
    })
    return { kind: 'delivered' }
  }
}

/** Sends events, and an introduction before them where the peer does not know us. Answers what went wrong. */
export async function broadcast(
  target: Rid,
  eventTexts: readonly string[],
  { client, ownProfileEvent, log }: BroadcastOptions,
): Promise<PeerError | undefined> {
  try {
    try {
      await client.broadcastEvents(target, eventTexts)
    } catch (error) {
      if (!(error instanceof PeerError) || error.code !== 'UNKNOWN_NODE') throw error
      log.info('the peer does not know us, introducing ourselves', { peer: target })
      await client.broadcastEvents(target, [await ownProfileEvent(), ...eventTexts])
    }
    return undefined
  } catch (error) {
    if (error instanceof PeerError) return error
    throw error
  }
}

function mayBeOneEvent({ code, retryable }: PeerError, failures: number): boolean {
  if (code === 'INVALID_SIGNATURE') return true
  if (code === 'BAD_REPLY') return !retryable
  return code === 'SERVER_ERROR' && failures >= FAILURES_THAT_ACCUSE_AN_EVENT
}
