import { describe, expect, it } from 'vitest'
import type { Rid } from '@koi-mcp/protocol'
import { testIdentity } from '../../test/peers.ts'
import { silentLogger } from '../logger.ts'
import { IntroducingClient } from './introducing-client.ts'
import { PeerError } from './peer-client.ts'
import type { PeerClient } from './peer-client.ts'

const peer = testIdentity('peer').rid
const unknown = (): Promise<never> => Promise.reject(new PeerError('UNKNOWN_NODE', peer, 'who?', { retryable: true }))

/** A peer that knows us from `knowsAfter` calls behind our introduction on. */
function setup(knowsAfter: number): { client: IntroducingClient; calls: string[] } {
  const calls: string[] = []
  let behind = -1
  const call =
    <T>(name: string, result: T) =>
    (): Promise<T> => {
      calls.push(name)
      return behind >= 0 && behind++ >= knowsAfter ? Promise.resolve(result) : unknown()
    }
  const raw: PeerClient = {
    broadcastEvents: (_node: Rid, texts: readonly string[]) => {
      calls.push(`broadcast ${texts.join()}`)
      behind = 0
      return Promise.resolve()
    },
    pollEvents: call('poll', []),
    fetchRids: call('rids', ['x:1']),
    fetchManifests: call('manifests', { manifests: [], notFound: [] }),
    fetchBundles: call('bundles', { bundles: [], notFound: [], deferred: [] }),
  } as unknown as PeerClient
  const client = new IntroducingClient({
    client: raw,
    profileEvents: { introduction: () => Promise.resolve('<NEW us>') },
    log: silentLogger,
    signal: new AbortController().signal,
    pausesMs: [1, 1, 1],
  })
  return { client, calls }
}

describe('IntroducingClient', () => {
  it('introduces itself to a peer that does not know it, and asks again', async () => {
    const { client, calls } = setup(0)
    expect(await client.fetchRids(peer, [])).toEqual(['x:1'])
    expect(calls).toEqual(['rids', 'broadcast <NEW us>', 'rids'])
  })

  it('gives the peer time to apply the introduction', async () => {
    const { client, calls } = setup(2)
    await client.pollEvents(peer, 0)
    expect(calls).toEqual(['poll', 'broadcast <NEW us>', 'poll', 'poll', 'poll'])
  })

  it('gives up on a peer that will not know it, without introducing itself again', async () => {
    const { client, calls } = setup(99)
    await expect(client.fetchBundles(peer, [])).rejects.toMatchObject({ code: 'UNKNOWN_NODE' })
    expect(calls).toEqual(['bundles', 'broadcast <NEW us>', 'bundles', 'bundles', 'bundles', 'bundles'])
  })

  it('introduces itself once for calls at the same time', async () => {
    const { client, calls } = setup(0)
    await Promise.all([client.fetchRids(peer, []), client.fetchManifests(peer, {})])
    expect(calls.filter((call) => call.startsWith('broadcast'))).toHaveLength(1)
  })

  it('passes other errors on', async () => {
    const raw = { fetchRids: () => Promise.reject(new PeerError('UNREACHABLE', peer, 'down', { retryable: true })) }
    const client = new IntroducingClient({
      client: raw as unknown as PeerClient,
      profileEvents: { introduction: () => Promise.reject(new Error('not asked')) },
      log: silentLogger,
      signal: new AbortController().signal,
    })
    await expect(client.fetchRids(peer, [])).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})
