import { afterEach, describe, expect, it } from 'vitest'
import { storeWith, until } from '../../test/peers.ts'
import { silentLogger } from '../logger.ts'
import { LeaseLostError, StoreError } from '../store/node-store.ts'
import type { NodeStore } from '../store/node-store.ts'
import { openSqliteStore } from '../store/sqlite-store.ts'
import { Lead } from './lead.ts'

const opened: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})

async function open(): Promise<NodeStore> {
  const store = await openSqliteStore({ path: ':memory:' })
  opened.push(() => store.close())
  return store
}

/** A process that notes when it leads. */
function process(store: NodeStore, leaseMs = 60_000) {
  const stopping = new AbortController()
  const lead = new Lead({ store, log: silentLogger, leaseMs })
  const terms: AbortSignal[] = []
  const begin = (signal: AbortSignal) => {
    terms.push(signal)
    const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    return Promise.resolve([over])
  }
  let ended = Promise.resolve()
  const stop = () => {
    stopping.abort()
    return ended
  }
  opened.push(stop)
  return { lead, terms, stop, start: async () => void (ended = (await lead.start(begin, stopping.signal)).ended) }
}

describe('Lead', () => {
  it('is had from the start on by the first, and by another when that stops', async () => {
    const store = await open()
    const [one, two] = [process(store), process(store, 1_000)]
    await one.start()
    await two.start()
    expect([one.lead.leads, one.terms.length, two.lead.leads, two.terms.length]).toEqual([true, 1, false, 0])
    expect(() => two.lead.lease).toThrow(LeaseLostError)
    await store.accept([], undefined, one.lead.lease)
    await one.stop()
    expect([one.lead.leads, one.terms[0]?.aborted]).toEqual([false, true])
    await until(() => two.lead.leads)
    expect(one.terms).toHaveLength(1)
  })

  it('passes on from one that died, which writes nothing under it any more', async () => {
    const store = await open()
    const dead = await store.takeLease('lead', 'dead', 100)
    const heir = process(store, 1_000)
    await heir.start()
    await until(() => heir.lead.leads)
    await expect(store.accept([], undefined, dead)).rejects.toThrow(LeaseLostError)
  })

  it('is given up where the store is away for longer than it lasts, and begins anew', async () => {
    const store = await open()
    let isAway = false
    const away = storeWith(store, {
      takeLease: (...lease) =>
        isAway ? Promise.reject(new StoreError('UNAVAILABLE', 'away')) : store.takeLease(...lease),
    })
    const one = process(away, 100)
    await one.start()
    isAway = true
    await until(() => !one.lead.leads)
    expect(one.terms.every(({ aborted }) => aborted)).toBe(true)
    const before = one.terms.length
    isAway = false
    await until(() => one.terms.length > before)
  })

  it('tries again what could not begin', async () => {
    const store = await open()
    const stopping = new AbortController()
    const lead = new Lead({ store, log: silentLogger, leaseMs: 50 })
    let tries = 0
    const begin = () => (++tries < 3 ? Promise.reject(new StoreError('UNAVAILABLE', 'away')) : Promise.resolve([]))
    const { ended } = await lead.start(begin, stopping.signal)
    await until(() => tries >= 3 && lead.leads)
    stopping.abort()
    await ended
    expect(await store.takeLease('lead', 'another', 1)).toBeDefined()
  })
})
