import { describe, expect, it } from 'vitest'

import { messagesOf, open, rawSession, send, stateless } from '../test/raw.ts'
import { served, until } from '../test/served.ts'
import type { McpObserver } from './index.ts'

const DATASET = 'orn:data-catalog.dataset:a'

/** A server whose requests are noted as `method outcome`. */
async function observedServer() {
  const told: string[] = []
  const observer: McpObserver = {
    answered: (method, outcome, seconds) => {
      expect(seconds).toBeGreaterThan(0)
      told.push(`${method} ${outcome}`)
    },
  }
  const server = await served({ observer })
  server.knowledge.put(DATASET, { name: 'a', rows: 'x' })
  return { ...server, told }
}

describe('the observer of an MCP handler', () => {
  it('is told of each request and its outcome, in both eras', async () => {
    const { url, knowledge, told } = await observedServer()
    const session = await rawSession(url)
    await session.call('resources/list')
    await session.call('resources/list', { cursor: 'nonsense' })
    await session.call('resources/templates/list')
    await session.call('resources/read', { uri: DATASET })
    await session.call('resources/read', { uri: `${DATASET}/unknown` })
    await session.call('resources/subscribe', { uri: DATASET })
    await session.call('resources/unsubscribe', { uri: DATASET })
    await session.call('tools/list')
    await send(url, stateless('tools/call', { name: 'count_rows', arguments: { rid: DATASET } }, 'count_rows'))
    await send(url, stateless('tools/call', { name: 'count_rows', arguments: {} }, 'count_rows'))
    await send(url, stateless('tools/call', { name: 'no_such_tool', arguments: {} }, 'no_such_tool'))
    knowledge.broken = new Error('the store is away')
    await session.call('resources/read', { uri: DATASET })
    await send(url, stateless('tools/call', { name: 'count_rows', arguments: { rid: DATASET } }, 'count_rows'))
    expect(told).toEqual([
      'resources/list ok',
      'resources/list refused',
      'resources/templates/list ok',
      'resources/read ok',
      'resources/read refused',
      'resources/subscribe ok',
      'resources/unsubscribe ok',
      'tools/list ok',
      'tools/call ok',
      'tools/call refused',
      'tools/call refused',
      'resources/read failed',
      'tools/call failed',
    ])
  })

  it('is told of streams, and what clients hold is counted', async () => {
    const { url, handler, told } = await observedServer()
    expect(handler.load).toEqual({ sessions: 0, subscriptions: 0 })
    const session = await rawSession(url)
    await session.call('resources/subscribe', { uri: DATASET })
    expect(handler.load).toEqual({ sessions: 1, subscriptions: 1 })
    const listen = stateless('subscriptions/listen', { notifications: { resourceSubscriptions: [DATASET] } })
    const stream = await open(url, listen)
    const messages = messagesOf(stream)
    await until(() => messages.length > 0)
    expect(told).toEqual(['resources/subscribe ok', 'subscriptions/listen ok'])
    expect(handler.load).toEqual({ sessions: 1, subscriptions: 2 })
    stream.destroy()
    await until(() => handler.load.subscriptions === 1)
  })
})
