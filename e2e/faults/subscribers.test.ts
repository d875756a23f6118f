import { describe, expect, onTestFinished, test } from 'vitest'
import { ConsumerNode } from '@koi-mcp/core'
import { DataCatalogExtension } from '@koi-mcp/data-catalog'
import type { Rid } from '@koi-mcp/protocol'
import { findPostgres, findRedis, PostgresServer, RedisServer } from '@koi-mcp/testing'
import { eventually, Network, place } from '../koi-mcp.ts'
import { Front, SLOW_MS } from './front.ts'
import { freePort } from './network.ts'

const DATASETS = 10
const UPDATES = 3
const PATH = process.env['PATH'] ?? ''
const binaries = findPostgres(PATH)
const program = findRedis(PATH)

const ridOf = (name: string) => `orn:data-catalog.dataset:published/${name}` as Rid
const locationOf = (version: number) => `s3://lake/${version}`

/** A node that follows the network, and what stands before it. */
class Subscriber {
  readonly front: Front
  readonly #node: ConsumerNode

  private constructor(front: Front, node: ConsumerNode) {
    this.front = front
    this.#node = node
  }

  static async join(name: string, network: Network): Promise<Subscriber> {
    const front = await Front.open()
    const port = await freePort()
    front.before(port)
    const { koi_net_url: firstContact } = network.service('coordinator')
    const domains = [new DataCatalogExtension()]
    const node = new ConsumerNode({ name, baseUrl: front.baseUrl, port, domains, firstContact })
    await node.start()
    onTestFinished(async () => {
      await node.stop()
      await front.close()
    })
    return new Subscriber(front, node)
  }

  async locationOf(name: string): Promise<string | undefined> {
    const bundle = (await this.#node.store.read(ridOf(name)))?.bundle
    return (bundle?.contents.value as { location: string } | undefined)?.location
  }

  /** Resolves when it holds these, at these versions; `undefined`: forgotten. */
  async holds(wanted: ReadonlyMap<string, number | undefined>): Promise<void> {
    await eventually(async () => {
      for (const [name, version] of wanted) {
        if ((await this.locationOf(name)) !== (version === undefined ? undefined : locationOf(version)))
          return undefined
      }
      return true
    })
  }
}

describe.skipIf(binaries === undefined || program === undefined)('subscribers of a node of several processes', () => {
  test('that are away, slow or lie hold up nobody, and are told the state of today', async () => {
    const postgres = await PostgresServer.start(binaries!)
    const redis = await RedisServer.start(program!)
    onTestFinished(() => Promise.all([postgres.remove(), redis.remove()]).then(() => undefined))
    const network = await Network.up(await place(), {
      args: ['--backend', 'redis+postgres', '--replicas', '2'],
      env: { DATABASE_URL: postgres.url, REDIS_URL: redis.url },
    })
    const { url } = network.service('producer')
    const post = async (path: string, body: object): Promise<void> => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
      expect(response.status, await response.text()).toBe(200)
    }
    const publish = (name: string, version: number) =>
      post('/publish', { schema: 'DatasetMetadata', object: { name, format: 'csv', location: locationOf(version) } })
    const waiting = async (): Promise<Status['queues']['outbox']> => {
      const status = (await (await fetch(`${url}/api/status`)).json()) as Status
      return status.queues.outbox
    }

    const all = await Promise.all(['steady', 'away', 'slow', 'liar'].map((name) => Subscriber.join(name, network)))
    const [steady, away, slow, liar] = all as [Subscriber, Subscriber, Subscriber, Subscriber]
    const names = Array.from({ length: DATASETS }, (_, index) => `d${index}`)
    await Promise.all(names.map((name) => publish(name, 0)))
    await Promise.all(all.map((each) => each.holds(new Map(names.map((name) => [name, 0])))))

    away.front.manner = 'cuts'
    slow.front.manner = 'slow'
    liar.front.manner = 'lies'
    const [forgotten, ...kept] = names
    for (let version = 1; version <= UPDATES; version += 1) {
      await Promise.all(names.map((name) => publish(name, version)))
      await steady.holds(new Map(names.map((name) => [name, version])))
    }
    await post('/forget', { rid: ridOf(forgotten!) })
    const today = new Map<string, number | undefined>([
      ...kept.map((name) => [name, UPDATES] as const),
      [forgotten!, undefined],
    ])
    await steady.holds(today)
    expect(slow.front.answeredLate).toBe(0)
    // It says 200 to all of it, so nothing waits for it; for the others a reference to each dataset, for the slow one beside those on their way.
    await eventually(async () => ((await waiting()).targets === 2 ? true : undefined))
    expect((await waiting()).queued).toBeLessThanOrEqual(3 * DATASETS)

    away.front.events.length = 0
    away.front.manner = 'passes'
    await away.holds(today)
    expect([...away.front.events].sort()).toEqual(names.map(ridOf).sort())
    await eventually(() => (slow.front.answeredLate > 0 ? true : undefined), 3 * SLOW_MS)
    slow.front.manner = 'passes'
    await slow.holds(today)

    liar.front.manner = 'passes'
    await publish('late', 1)
    await Promise.all(all.map((each) => each.holds(new Map([['late', 1]]))))
  })
})

interface Status {
  readonly queues: { readonly outbox: { readonly targets: number; readonly queued: number } }
}
