import { expect, it } from 'vitest'
import { Gate } from './gate.ts'

it('lets so many through at once, in order, and past failures', async () => {
  const gate = new Gate(2)
  const log: string[] = []
  let inside = 0
  let most = 0
  const work = (name: string): Promise<void> =>
    gate.pass(async () => {
      inside += 1
      most = Math.max(most, inside)
      log.push(name)
      await new Promise(setImmediate)
      inside -= 1
      if (name === 'b') throw new Error('b')
    })
  const results = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(work))
  expect(log).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(most).toBe(2)
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
  await work('f')
  expect(most).toBe(2)
})
