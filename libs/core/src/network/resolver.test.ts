import { describe, expect, it } from 'vitest'
import { contentsOf, defineRidType } from '@koi-mcp/protocol'
import type { Bundle, Rid } from '@koi-mcp/protocol'
import { DATASET, testBundle, testIdentity, testServer } from '../../test/peers.ts'
import { silentLogger } from '../logger.ts'
import type { NewArrival } from '../store/node-store.ts'
import { HttpDerefHandler } from './http-deref-handler.ts'
import { HttpExchange } from './http-exchange.ts'
import { PeerError } from './peer-client.ts'
import { Resolver } from './resolver.ts'

const self = testIdentity('us').rid
const [down, ignorant, knowing] = ['down', 'ignorant', 'knowing'].map((name) => testIdentity(name).rid) as [
  Rid,
  Rid,
  Rid,
]
const remote = testBundle('remote')

function setup(cached: readonly Bundle[] = []): { resolver: Resolver; accepted: NewArrival[]; asked: Rid[] } {
  const accepted: NewArrival[] = []
  const asked: Rid[] = []
  const has = (node: Rid): Promise<boolean> => {
    asked.push(node)
    if (node === down) return Promise.reject(new PeerError('UNREACHABLE', node, 'down', { retryable: true }))
    return Promise.resolve(node === knowing)
  }
  const resolver = new Resolver({
    self,
    client: {
      fetchBundles: async (node) => ({
        bundles: (await has(node)) ? [testBundle('other'), remote] : [],
        notFound: [],
        deferred: [],
      }),
      fetchManifests: async (node) => ({ manifests: (await has(node)) ? [remote.manifest] : [], notFound: [] }),
    },
    graph: { stateProviders: (type) => (type === DATASET.name ? [self, down, ignorant, knowing] : []) },
    store: {
      read: (rid) => {
        const bundle = cached.find(({ manifest }) => manifest.rid === rid)
        return Promise.resolve(bundle && { rid, bundle, seq: 1 })
      },
      accept: (arrivals) => {
        accepted.push(...arrivals)
        return Promise.resolve({ places: [], repeated: false })
      },
    },
    log: silentLogger,
    clock: () => 1_700_000_000_000,
    signal: new AbortController().signal,
  })
  return { resolver, accepted, asked }
}

describe('Resolver', () => {
  it('answers from the cache, and asks nobody', async () => {
    const { resolver, accepted, asked } = setup([remote])
    expect(await resolver.deref(remote.manifest.rid, { network: true })).toEqual({ bundle: remote, from: 'cache' })
    expect([accepted, asked]).toEqual([[], []])
  })

  it('asks providers one by one until one has it, and puts that into the inbox', async () => {
    const { resolver, accepted, asked } = setup()
    const { rid } = remote.manifest
    expect(await resolver.deref(rid)).toBeUndefined()
    expect(await resolver.deref(rid, { network: true })).toEqual({ bundle: remote, from: 'network', node: knowing })
    expect(asked).toEqual([down, ignorant, knowing])
    expect(accepted).toEqual([{ rid, manifest: remote.manifest, contents: remote.contents, source: knowing }])
    expect(await resolver.deref(DATASET.of('nowhere'), { network: true })).toBeUndefined()
  })

  it('passes over the cache to refresh, and leaves the inbox alone when told to', async () => {
    const { resolver, accepted } = setup([testBundle('remote', { old: true })])
    const found = await resolver.deref(remote.manifest.rid, { refresh: true, network: true, handle: false })
    expect(found?.bundle).toBe(remote)
    expect(accepted).toEqual([])
  })

  it('fetches a manifest alone', async () => {
    const { resolver } = setup()
    expect(await resolver.fetchRemoteManifest(remote.manifest.rid)).toEqual({
      manifest: remote.manifest,
      node: knowing,
    })
  })

  it('asks the handler of the type before the network; what it finds is our own', async () => {
    const { resolver, accepted, asked } = setup()
    const contents = contentsOf({ by: 'handler' })
    resolver.registerDerefHandler({ name: 'sets', ridTypes: [DATASET], deref: () => Promise.resolve(contents) })
    const found = await resolver.deref(remote.manifest.rid, { network: true })
    expect(found).toMatchObject({ from: 'handler', bundle: { manifest: { timestamp: '2023-11-14T22:13:20Z' } } })
    expect(accepted).toEqual([{ rid: remote.manifest.rid, contents }])
    expect(asked).toEqual([])
  })

  it('goes on to the network when the handler fails or finds nothing', async () => {
    for (const deref of [() => Promise.reject(new Error('broken')), () => Promise.resolve(undefined)]) {
      const { resolver } = setup()
      resolver.registerDerefHandler({ name: 'sets', ridTypes: [DATASET], deref })
      expect((await resolver.deref(remote.manifest.rid, { network: true }))?.from).toBe('network')
    }
  })

  it('takes one handler a type', () => {
    const { resolver } = setup()
    const handler = { name: 'one', ridTypes: [defineRidType('https')], deref: () => Promise.resolve(undefined) }
    resolver.registerDerefHandler(handler)
    expect(() => resolver.registerDerefHandler({ ...handler, name: 'two' })).toThrow(
      'https is dereferenced by one already, so not by two',
    )
  })
})

describe('HttpDerefHandler', () => {
  it('gives the JSON object found at the address, and nothing for anything else', async () => {
    const pages: Record<string, [number, string]> = {
      '/object?a=1': [200, '{"n":1.0}'],
      '/array': [200, '[]'],
      '/html': [200, '<p>'],
      '/gone': [410, '{}'],
    }
    const server = await testServer(({ path }) => ({ status: pages[path]![0], body: pages[path]![1] }))
    const http = new HttpExchange()
    const { resolver } = setup()
    resolver.registerDerefHandler(new HttpDerefHandler(http))
    const found = await Promise.all(
      Object.keys(pages).map((path) => resolver.deref(defineRidType('http').of(server.origin.slice(5) + path))),
    )
    expect(found.map((one) => one?.bundle.contents.text)).toEqual(['{"n":1.0}', undefined, undefined, undefined])
    await http.close()
    await server.close()
  })
})
