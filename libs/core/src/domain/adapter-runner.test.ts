import { afterEach, describe, expect, it } from 'vitest'
import { asRid, contentsOf, defineRidType, generateBundle } from '@koi-mcp/protocol'
import type { Rid } from '@koi-mcp/protocol'
import type { KnowledgeChange } from '../knowledge/knowledge-reader.ts'
import { silentLogger } from '../logger.ts'
import type { Change, ListOptions, StoredBundle } from '../store/node-store.ts'
import { AdapterRunner } from './adapter-runner.ts'
import type { KnowledgeLog } from './adapter-runner.ts'
import type { KnowledgeAdapter } from './adapter.ts'

const THING = defineRidType('orn:test.thing')
const STAMP = '2026-01-01T00:00:00.000000Z'

class FakeLog implements KnowledgeLog {
  readonly bundles = new Map<Rid, StoredBundle>()
  changes: Change[] = []
  largestPage = 0
  failures = 0
  #wakes = new Set<(wake: { changes: boolean; inbox: boolean; outbox: boolean }) => void>()

  write(reference: string, value = 1): void {
    const rid = THING.of(reference)
    const eventType = this.bundles.has(rid) ? 'UPDATE' : 'NEW'
    const seq = this.#log(rid, eventType)
    this.bundles.set(rid, { rid, seq, bundle: generateBundle(rid, contentsOf({ value }), STAMP) })
  }
  forget(reference: string): void {
    this.bundles.delete(THING.of(reference))
    this.#log(THING.of(reference), 'FORGET')
  }
  other(): void {
    this.#log(asRid('orn:other:x'), 'NEW')
  }
  wake(): void {
    for (const listener of this.#wakes) listener({ changes: true, inbox: false, outbox: false })
  }
  get listeners(): number {
    return this.#wakes.size
  }

  read(rid: Rid): Promise<StoredBundle | undefined> {
    return Promise.resolve(this.bundles.get(rid))
  }
  listBundles({ types = [], after, limit = 100 }: ListOptions = {}): Promise<StoredBundle[]> {
    this.largestPage = Math.max(this.largestPage, limit)
    const all = [...this.bundles.values()].filter(({ rid }) => types.some((type) => rid.startsWith(`${type}:`)))
    all.sort((a, b) => (a.rid < b.rid ? -1 : 1))
    return Promise.resolve(all.filter(({ rid }) => after === undefined || rid > after).slice(0, limit))
  }
  changesAfter(seq: number, limit: number): Promise<Change[]> {
    if (this.failures > 0) {
      this.failures -= 1
      return Promise.reject(new Error('disk away'))
    }
    return Promise.resolve(this.changes.filter((change) => change.seq > seq).slice(0, limit))
  }
  lastChange(): Promise<number> {
    return Promise.resolve(this.#seq)
  }
  onWake(listener: Parameters<KnowledgeLog['onWake']>[0]): () => void {
    this.#wakes.add(listener)
    return () => void this.#wakes.delete(listener)
  }
  #seq = 0
  #log(rid: Rid, eventType: Change['eventType']): number {
    this.#seq += 1
    this.changes.push({ seq: this.#seq, rid, eventType })
    return this.#seq
  }
}

function recorder(name = 'things'): KnowledgeAdapter & { readonly calls: string[] } {
  const calls: string[] = []
  const note = (operation: string) => (entity: StoredBundle) =>
    void calls.push(`${operation} ${entity.rid.slice(15)}=${JSON.stringify(entity.bundle.contents.value['value'])}`)
  const forget = (rid: Rid): void => void calls.push(`forget ${rid.slice(15)}`)
  return { name, ridTypes: [THING], calls, register: note('register'), update: note('update'), forget }
}

let running: AdapterRunner | undefined
function runner(knowledge: FakeLog, ...adapters: KnowledgeAdapter[]): AdapterRunner {
  running = new AdapterRunner({ knowledge, adapters, log: silentLogger, sweepMs: 5 })
  return running
}
afterEach(() => running?.stop())

describe('AdapterRunner', () => {
  it('registers everything cached, a page at a time, then follows the log in order', async () => {
    const log = new FakeLog()
    for (let i = 0; i < 450; i++) log.write(String(i).padStart(3, '0'))
    const adapter = recorder()
    const runs = runner(log, adapter)
    await runs.start()
    expect(adapter.calls).toHaveLength(450)
    expect(adapter.calls[449]).toBe('register 449=1')
    expect(log.largestPage).toBe(200)

    adapter.calls.length = 0
    log.write('a')
    await runs.caughtUp()
    log.write('a', 2)
    log.other()
    await runs.caughtUp()
    log.forget('a')
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=1', 'update a=2', 'forget a'])
  })

  it('shows only the last of changes that follow one another, and the first as registered', async () => {
    const log = new FakeLog()
    const adapter = recorder()
    const runs = runner(log, adapter)
    await runs.start()
    log.write('a', 1)
    log.write('a', 2)
    log.write('b', 1)
    log.forget('b')
    log.write('b', 3)
    log.write('gone')
    log.forget('gone')
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=2', 'forget b', 'register b=3', 'forget gone'])
  })

  it('does not show again, nor undo, what changed while the cached was being registered', async () => {
    const log = new FakeLog()
    log.write('a')
    log.write('b')
    const adapter = recorder()
    const changing: KnowledgeAdapter = {
      name: 'changing',
      ridTypes: [THING],
      register: (entity) => {
        if (entity.rid !== THING.of('a') || log.changes.length > 2) return
        log.forget('c')
        log.write('c', 5)
      },
    }
    const runs = runner(log, changing, adapter)
    const list = log.listBundles.bind(log)
    log.listBundles = (options) => list({ ...options, limit: 1 })
    await runs.start()
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=1', 'register b=1', 'register c=5'])
  })

  it('tells listeners of every change, after the adapters', async () => {
    const log = new FakeLog()
    const adapter = recorder()
    const runs = runner(log, adapter)
    const seen: (KnowledgeChange | string)[] = []
    const stopListening = runs.onChange((change) => seen.push(change, ...adapter.calls))
    await runs.start()
    log.write('a')
    log.other()
    await runs.caughtUp()
    expect(seen).toEqual([
      { seq: 1, rid: 'orn:test.thing:a', eventType: 'NEW', origin: undefined },
      'register a=1',
      { seq: 2, rid: 'orn:other:x', eventType: 'NEW', origin: undefined },
      'register a=1',
    ])
    stopListening()
    log.write('b')
    await runs.caughtUp()
    expect(seen).toHaveLength(4)
  })

  it('goes on when adapters, listeners and the log fail, and counts it', async () => {
    const log = new FakeLog()
    log.write('a')
    const adapter = recorder()
    const failing: KnowledgeAdapter = {
      name: 'failing',
      ridTypes: [THING],
      register: () => Promise.reject(new Error('no')),
    }
    const runs = runner(log, failing, adapter)
    await runs.start()
    expect(runs.errors).toBe(1)
    runs.onChange(() => {
      throw new Error('no')
    })
    log.failures = 2
    log.write('b')
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=1', 'register b=1'])
    expect(runs.errors).toBe(5)
  })

  it('reads no bundle for an adapter that keeps nothing, and tells of the changes all the same', async () => {
    const log = new FakeLog()
    log.write('a')
    log.read = () => Promise.reject(new Error('read for nobody'))
    log.listBundles = () => Promise.reject(new Error('listed for nobody'))
    const runs = runner(log, { name: 'reader', ridTypes: [THING] })
    const told: KnowledgeChange[] = []
    runs.onChange((change) => told.push(change))
    await runs.start()
    log.write('b')
    await runs.caughtUp()
    expect(told.map(({ rid }) => rid)).toEqual([THING.of('b')])
    expect(runs.errors).toBe(0)
  })

  it('calls register for updates where there is no update', async () => {
    const log = new FakeLog()
    log.write('a')
    const { update: _update, ...adapter } = recorder()
    const runs = runner(log, adapter)
    await runs.start()
    log.write('a', 2)
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=1', 'register a=2'])
  })

  it('registers everything cached again when asked, and shows no change of before it afterwards', async () => {
    const log = new FakeLog()
    log.write('a')
    const adapter = recorder()
    const runs = runner(log, adapter)
    await runs.start()
    log.write('b')
    log.write('a', 2)
    const asked = runs.recover()
    log.forget('b')
    log.wake()
    await asked
    await runs.caughtUp()
    expect(adapter.calls).toEqual(['register a=1', 'register a=2', 'forget b'])
    await runs.stop()
    await expect(runs.recover()).rejects.toThrow('stopped before')
  })

  it('is not held up by places that have gone from the log', async () => {
    const log = new FakeLog()
    const adapter = recorder()
    const runs = runner(log, adapter)
    await runs.start()
    log.write('a')
    log.forget('a')
    log.changes = []
    await runs.caughtUp()
    expect(adapter.calls).toEqual([])
  })

  it('needs no wake-up, and takes one', async () => {
    const log = new FakeLog()
    const adapter = recorder()
    const runs = new AdapterRunner({ knowledge: log, adapters: [adapter], log: silentLogger, sweepMs: 3_600_000 })
    running = runs
    await runs.start()
    const told = new Promise((resolve) => runs.onChange(resolve))
    log.write('a')
    log.wake()
    await told
    expect(adapter.calls).toEqual(['register a=1'])
  })

  it('ends on the signal, and refuses those who wait', async () => {
    const log = new FakeLog()
    const stopping = new AbortController()
    const runs = runner(log, recorder())
    await runs.start({ signal: stopping.signal })
    expect(log.listeners).toBe(1)
    stopping.abort()
    await runs.stop()
    expect(log.listeners).toBe(0)
    log.write('a')
    await expect(runs.caughtUp()).rejects.toThrow('stopped before all changes were shown')
  })
})
