import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { silentLogger } from '@koi-mcp/core'

import { FakeKnowledge } from '../test/fake-knowledge.ts'
import { ChangeFeed } from './change-feed.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function listener() {
  const knowledge = new FakeKnowledge()
  const feed = new ChangeFeed(knowledge.changes, silentLogger)
  const told: string[] = []
  feed.followList(() => told.push('list'))
  return { knowledge, feed, told }
}

test('a bundle that comes or goes changes the list, one that only changes does not', () => {
  const { knowledge, feed, told } = listener()
  feed.follow('x:1', () => told.push('x:1'))
  knowledge.put('x:1', {})
  vi.advanceTimersByTime(1000)
  expect(told.splice(0)).toEqual(['x:1', 'list'])
  knowledge.put('x:1', { v: 2 })
  vi.advanceTimersByTime(1000)
  expect(told.splice(0)).toEqual(['x:1'])
  knowledge.forget('x:1')
  vi.advanceTimersByTime(1000)
  expect(told.splice(0)).toEqual(['x:1', 'list'])
})

test('the list is told of at once, and then no more often than every 250 ms', () => {
  const { knowledge, told } = listener()
  for (let i = 0; i < 100; i++) knowledge.put(`x:${i}`, {})
  expect(told).toEqual(['list'])
  vi.advanceTimersByTime(249)
  expect(told).toEqual(['list'])
  vi.advanceTimersByTime(1)
  expect(told).toEqual(['list', 'list'])
  vi.advanceTimersByTime(10_000)
  expect(told).toEqual(['list', 'list'])
})

test('a listener that throws keeps nothing from the others; one that left hears nothing', () => {
  const { knowledge, feed, told } = listener()
  feed.follow('x:1', () => {
    throw new Error('broken')
  })
  const stop = feed.follow('x:1', () => told.push('stopped'))
  feed.follow('x:1', () => told.push('x:1'))
  stop()
  stop()
  knowledge.put('x:1', {})
  expect(told).toEqual(['x:1', 'list'])
})

test('takes no more subscriptions than it can hold, and room comes back', () => {
  const { feed } = listener()
  const stops = Array.from({ length: 100_000 }, (_, i) => feed.follow(`x:${i}`, () => undefined))
  expect(feed.full).toBe(true)
  stops[0]!()
  expect(feed.full).toBe(false)
})

test('follows nothing once closed', () => {
  const { knowledge, feed, told } = listener()
  knowledge.put('x:1', {})
  knowledge.put('x:2', {})
  feed.close()
  knowledge.put('x:3', {})
  vi.advanceTimersByTime(1000)
  expect([told, knowledge.followers]).toEqual([['list'], 0])
})
