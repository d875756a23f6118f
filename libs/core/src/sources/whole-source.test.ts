import { expect, it, vi } from 'vitest'
import { LeaseLostError } from '../store/node-store.ts'
import { WholeSource } from './whole-source.ts'

it('is all one share, from the start to the stop', async () => {
  const whole = new WholeSource()
  expect([whole.held, whole.of()]).toEqual([[], undefined])
  const onGained = vi.fn()
  const onLost = vi.fn(() => Promise.resolve())
  await whole.start({ onGained, onLost })
  expect(onGained).toHaveBeenCalledOnce()
  const share = whole.of()!
  expect(whole.held).toEqual([share])
  expect(await share.write((under) => Promise.resolve(under))).toBeUndefined()
  await Promise.all([whole.stop(), whole.stop()])
  expect(onLost).toHaveBeenCalledExactlyOnceWith(share)
  expect(share.signal.aborted).toBe(true)
  expect([whole.held, whole.of()]).toEqual([[], undefined])
  await expect(share.write(() => Promise.resolve())).rejects.toThrow(LeaseLostError)
})
