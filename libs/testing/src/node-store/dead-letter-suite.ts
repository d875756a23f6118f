import { describe, expect, it } from 'vitest'
import { NO_EMISSIONS } from '@koi-mcp/core'
import type { DeadLetter } from '@koi-mcp/core'
import { contentsOf } from '@koi-mcp/protocol'
import { arrivalOf, bundleOf, dataset, PEER, START } from './store-under-test.ts'
import type { StoreUnderTest } from './store-under-test.ts'

const A = dataset('a')

export function describeDeadLetters(test: StoreUnderTest): void {
  /** Makes a dead letter of the next arrival that is due. */
  const give = async (error = 'no good'): Promise<number> => {
    const lease = await test.lease()
    const { place } = await test.next(lease)
    await test.store.deadLetter(lease, place, error, NO_EMISSIONS)
    await test.store.releaseLane(lease)
    return place
  }
  const letter = async (): Promise<DeadLetter> => (await test.store.listDeadLetters())[0]!

  describe('dead letters', () => {
    it('keep the errors of the attempts before, with their times, and not of outages', async () => {
      await test.store.accept([arrivalOf(bundleOf(A))])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      await test.store.retryLater(lease, place, { error: 'first', dueAt: test.now, countAttempt: true })
      test.now += 10
      await test.store.retryLater(lease, place, { error: 'outage', dueAt: test.now, countAttempt: false })
      test.now += 10
      await test.store.deadLetter(lease, place, 'last', NO_EMISSIONS)
      expect(await letter()).toMatchObject({ error: 'last', phase: 'received', attempts: 2 })
      expect((await letter()).history).toEqual([
        { at: START, error: 'first' },
        { at: START + 20, error: 'last' },
      ])
    })

    it('keep the last ten attempts, and long errors cut', async () => {
      await test.store.accept([arrivalOf(bundleOf(A))])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      for (let attempt = 0; attempt < 12; attempt++)
        await test.store.retryLater(lease, place, { error: `${attempt}`, dueAt: test.now, countAttempt: true })
      await test.store.deadLetter(lease, place, 'x'.repeat(10_000), NO_EMISSIONS)
      const { history, attempts } = await letter()
      expect(attempts).toBe(13)
      const errors = ['3', '4', '5', '6', '7', '8', '9', '10', '11', 'x'.repeat(2_000)]
      expect(history.map(({ error }) => error)).toEqual(errors)
    })

    it('are listed without contents where those are not wanted', async () => {
      const bundle = bundleOf(A)
      await test.store.accept([arrivalOf(bundle)])
      await give()
      const [listed] = await test.store.listDeadLetters({ contents: false })
      expect(listed?.arrival).toEqual({ rid: A, eventType: 'NEW', source: PEER, manifest: bundle.manifest })
      expect((await letter()).arrival.contents?.text).toBe(bundle.contents.text)
    })

    it('are replayed behind what waits in their lane, as they came, with no attempts', async () => {
      const bundle = bundleOf(A, '{"v":1.0}')
      await test.store.accept([arrivalOf(bundle)])
      const place = await give()
      await test.store.accept([arrivalOf(bundleOf(A), 'UPDATE')])
      test.now += 10
      const replayed = await test.store.replayDeadLetter(place)
      expect(replayed).toBeGreaterThan(place)
      expect(await test.store.inboxState()).toMatchObject({ pending: 2, deadLetters: 0 })
      const lease = await test.lease()
      const before = await test.next(lease)
      expect(before).toMatchObject({ eventType: 'UPDATE' })
      expect(before.replayed).toBeUndefined()
      await test.store.finish(lease, before.place, NO_EMISSIONS)
      const again = await test.next(lease)
      expect(again).toMatchObject({ place: replayed, phase: 'received', attempts: 0, replayed: true })
      expect(again).toMatchObject({ rid: A, eventType: 'NEW', source: PEER, manifest: bundle.manifest })
      expect(again.contents?.text).toBe('{"v":1.0}')
      expect(again.acceptedAt).toBe(START + 10)
    })

    it('have a history of their own each time', async () => {
      await test.store.accept([arrivalOf(bundleOf(A))])
      await test.store.replayDeadLetter(await give('first'))
      expect((await test.store.takeLanes('w', 1, 1))[0]?.first.attempts).toBe(0)
      test.now += 1
      await give('second')
      expect(await letter()).toMatchObject({ attempts: 1, history: [{ at: START + 1, error: 'second' }] })
    })

    it('of our own keep the stamp that they had', async () => {
      await test.store.accept([{ rid: A, eventType: 'NEW', contents: contentsOf({ v: 1 }) }])
      const place = await give()
      test.now += 1000
      await test.store.replayDeadLetter(place)
      const { manifest } = await test.next(await test.lease())
      expect(manifest?.timestamp).toBe('2026-01-01T00:00:00Z')
    })

    it.each(['network', 'final'] as const)('of phase %s go on there, with what that phase needs', async (phase) => {
      const [before, after] = [bundleOf(A, '{"v":1.0}'), bundleOf(A, '{"v":2.0}', '2026-01-02T00:00:00Z')]
      await test.put(before)
      await test.store.accept([arrivalOf(after)])
      const lease = await test.lease()
      const { place } = await test.next(lease)
      const change = { kind: 'write', normalizedEventType: 'UPDATE', bundle: after, origin: PEER } as const
      await test.store.apply(lease, place, change, NO_EMISSIONS)
      if (phase === 'final') await test.store.announce(lease, place, [], NO_EMISSIONS)
      await test.store.deadLetter(lease, place, 'no good', NO_EMISSIONS)
      await test.store.releaseLane(lease)
      expect(await letter()).toMatchObject({ phase })
      await test.store.replayDeadLetter(place)
      const again = await test.next(await test.lease())
      expect(again).toMatchObject({ phase, attempts: 0, replayed: true, eventType: 'NEW', manifest: after.manifest })
      expect(again.contents?.text).toBe('{"v":2.0}')
      expect(again.applied?.normalizedEventType).toBe('UPDATE')
      expect(again.applied?.previous?.contents.text).toBe('{"v":1.0}')
    })

    it('are replayed once, and dropped once', async () => {
      await test.store.accept([arrivalOf(bundleOf(A)), arrivalOf(bundleOf(dataset('b')))])
      const [one, two] = [await give(), await give()]
      const replays = await Promise.all([test.store.replayDeadLetter(one), test.store.replayDeadLetter(one)])
      expect(replays.filter((place) => place === undefined)).toHaveLength(1)
      expect(await test.store.dropDeadLetter(one)).toBe(false)
      expect(await test.store.dropDeadLetter(two)).toBe(true)
      expect(await test.store.dropDeadLetter(two)).toBe(false)
      expect(await test.store.replayDeadLetter(two)).toBeUndefined()
      expect(await test.store.replayDeadLetter(999_999)).toBeUndefined()
      expect(await test.store.inboxState()).toMatchObject({ pending: 1, deadLetters: 0 })
    })

    it('wake those who work when they are replayed', async () => {
      await test.store.accept([arrivalOf(bundleOf(A))])
      const place = await give()
      const woken = new Promise<boolean>((resolve) => test.store.onWake(({ inbox }) => inbox && resolve(true)))
      await test.store.replayDeadLetter(place)
      expect(await woken).toBe(true)
    })
  })
}
