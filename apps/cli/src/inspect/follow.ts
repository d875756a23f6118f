import { setTimeout as wait } from 'node:timers/promises'
import { readNetworkEvent } from '../network-event.ts'
import type { NetworkEvent } from '../network-event.ts'
import type { ServiceApi } from './service-api.ts'

const AGAIN_AFTER_MS = 500

/**
 * Calls `onEvent` for what happens in a node until the signal. A stream that breaks is opened again, and `onBreak` told once a break; a first
 * connection that fails throws.
 */
export const follow = async (
  api: Pick<ServiceApi, 'events'>,
  onEvent: (event: NetworkEvent) => void,
  signal: AbortSignal,
  onBreak: () => void,
): Promise<void> => {
  let state: 'new' | 'connected' | 'broken' = 'new'
  while (!signal.aborted) {
    try {
      const events = await api.events(signal)
      state = 'connected'
      for await (const value of events) {
        const event = readNetworkEvent(value)
        if (event !== undefined) onEvent(event)
      }
    } catch (error) {
      if (signal.aborted) return
      if (state === 'new') throw error
    }
    if (state === 'connected' && !signal.aborted) onBreak()
    state = 'broken'
    await wait(AGAIN_AFTER_MS, undefined, { signal }).catch(() => undefined)
  }
}
