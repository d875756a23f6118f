import { describe, expect, it } from 'vitest'
import { parseEvent } from '@koi-mcp/protocol'
import type { NodeProfile, Rid } from '@koi-mcp/protocol'
import { newEvent, recordingLogger, testBundle, testIdentity, until } from '../../test/peers.ts'
import { StoreError } from '../store/node-store.ts'
import type { NewArrival } from '../store/node-store.ts'
import { PeerError } from './peer-client.ts'
import { Poller } from './poller.ts'
import type { PollerOptions } from './poller.ts'

const us = testIdentity('us')
const full = testIdentity('full', 'http://full.example/koi-net')
const partial = testIdentity('partial')
const contact = testIdentity('contact', 'http://contact.example/koi-net')

function setup(neighbors: readonly Rid[], change: Partial<PollerOptions> = {}) {
  const log = recordingLogger()
  const accepted: unknown[] = []
  const polled: [Rid, number][] = []
  const profiles = new Map<Rid, NodeProfile>([full, partial].map(({ rid, profile }) => [rid, profile]))
  const poller = new Poller({
    self: us.rid,
    client: {
      pollEvents: (node, limit) => {
        polled.push([node, limit])
        return Promise.resolve([{ ok: parseEvent(newEvent(testBundle('1'))) }])
      },
    },
    graph: { neighbors: () => neighbors, profile: (node) => profiles.get(node) },
    store: {
      accept: (arrivals) => {
        accepted.push(...arrivals)
        return Promise.resolve({ places: [], repeated: false })
      },
    },
    firstContact: () => contact.rid,
    log,
    intervalMs: 1,
    ...change,
  })
  return { poller, polled, accepted, log }
}

describe('Poller', () => {
  it('asks its full neighbours for all their events and takes them in as theirs', async () => {
    const { poller, polled, accepted } = setup([full.rid, partial.rid])
    await poller.pollAll(new AbortController().signal)
    expect(polled).toEqual([[full.rid, 0]])
    const { manifest, contents } = testBundle('1')
    expect(accepted).toEqual([
      { rid: manifest.rid, eventType: 'NEW', manifest, contents: expect.anything(), source: full.rid },
    ])
    expect(accepted).toMatchObject([{ contents: { text: contents.text } }])
  })

  it('goes on asking the others while a neighbour does not answer, and that one no second time', async () => {
    const second = testIdentity('second', 'http://second.example/koi-net')
    const polled: Rid[] = []
    const { poller } = setup([full.rid, second.rid], {
      graph: { neighbors: () => [full.rid, second.rid], profile: () => full.profile },
      client: {
        pollEvents: (node) => {
          polled.push(node)
          return node === full.rid && !stop.signal.aborted ? stopped : Promise.resolve([])
        },
      },
    })
    const stop = new AbortController()
    const stopped = new Promise<[]>((resolve) => stop.signal.addEventListener('abort', () => resolve([])))
    const running = poller.run(stop.signal)
    await until(() => polled.filter((node) => node === second.rid).length >= 3)
    expect(polled.filter((node) => node === full.rid)).toEqual([full.rid])
    stop.abort()
    await running
  })

  it('asks the first contact while it has no neighbours', async () => {
    const { poller, polled } = setup([partial.rid])
    await poller.pollAll(new AbortController().signal)
    expect(polled).toEqual([[contact.rid, 0]])
    const alone = setup([], { firstContact: () => undefined })
    await alone.poller.pollAll(new AbortController().signal)
    expect(alone.polled).toEqual([])
  })

  it('goes on polling while a neighbour is down, and says so once', async () => {
    let calls = 0
    const stop = new AbortController()
    const { poller, log } = setup([full.rid], {
      client: {
        pollEvents: (node) => {
          calls += 1
          return Promise.reject(new PeerError('UNREACHABLE', node, 'down', { retryable: true }))
        },
      },
    })
    const running = poller.run(stop.signal)
    await until(() => calls >= 3)
    stop.abort()
    await running
    expect(log.lines.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual(['could not poll'])
  })

  it('holds what it was given until the store takes it, and asks for no more meanwhile', async () => {
    const stop = new AbortController()
    let away = 3
    const kept: NewArrival[] = []
    const accept = (arrivals: readonly NewArrival[]) => {
      if (away-- > 0) return Promise.reject(new StoreError('FULL', 'no space'))
      kept.push(...arrivals)
      stop.abort()
      return Promise.resolve({ places: [], repeated: false })
    }
    const backoff = { baseMs: 1, factor: 1, capMs: 1 }
    const { poller, polled, log } = setup([full.rid], { store: { accept }, backoff })
    await poller.run(stop.signal)
    expect(polled).toEqual([[full.rid, 0]])
    expect(kept.map(({ rid }) => rid)).toEqual([testBundle('1').manifest.rid])
    expect(log.lines.map(({ message }) => message)).toEqual(['polled events wait for the store'])
  })

  it('tries once more when it is stopped, and says what is lost', async () => {
    const stop = new AbortController()
    let tries = 0
    const accept = () => {
      tries += 1
      return Promise.reject(new StoreError('UNAVAILABLE', 'no disk'))
    }
    const { poller, log } = setup([full.rid], { store: { accept } })
    const running = poller.run(stop.signal)
    await until(() => tries === 1)
    stop.abort()
    await running
    expect(tries).toBe(2)
    expect(log.lines.map(({ message }) => message)).toEqual([
      'polled events wait for the store',
      'polled events could not be kept',
    ])
  })
})
