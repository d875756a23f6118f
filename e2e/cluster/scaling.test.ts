import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { say, seconds } from './commands.ts'
import { ExampleNetwork, PRODUCER } from './example-network.ts'
import { RELEASE } from './release.ts'

interface Status {
  readonly peers: readonly { readonly rid: string; readonly edges: readonly { readonly direction: string }[] }[]
}

const DEPLOYMENT = `deployment/${RELEASE}-producer-example`
let network: ExampleNetwork

beforeAll(async () => {
  network = await ExampleNetwork.prepare()
  await network.install()
})

afterAll(() => network.remove())

const producers = async () => (await network.release.pods(PRODUCER)).length

describe('a producer on a cluster', () => {
  test('is one node from outside with one or four replicas, which divide its source', async () => {
    const { release, client } = network
    const [, rid] = await network.rids()
    const lastChange = () => client.run<number>('last-change', `http://${RELEASE}-gateway:9000`, network.files[0]!)
    const before = await lastChange()
    const up = await seconds(() => release.upgrade(network.values({ replicas: 4 })))
    expect(await producers()).toBe(4)
    const logs = () => release.kubectl('logs', '--selector', PRODUCER, '--tail=-1', '--prefix')
    await expect.poll(async () => sharers(await logs())).toBe(4)
    const { peers } = await client.api<Status>('coordinator', '/api/status')
    const known = peers.filter((peer) => peer.rid.startsWith('orn:koi-net.node:example+'))
    expect(known.map((peer) => peer.rid)).toEqual([rid])
    expect(known[0]?.edges.map(({ direction }) => direction).sort()).toEqual(['in', 'out'])
    // Nobody told the gateway anything again.
    expect(await lastChange()).toBe(before)
    await release.kubectl('scale', DEPLOYMENT, '--replicas=1')
    await expect.poll(producers).toBe(1)
    await network.holdsAllFiles()
    expect((await network.rids())[1]).toBe(rid)
    say(`from 1 to 4 producers took ${up} s`)
  })

  test('is scaled by the HPA while it has much to do, and back', async () => {
    const { release, client } = network
    await release.upgrade(network.values({ autoscaling: { enabled: true, minReplicas: 1, maxReplicas: 3 } }))
    await expect.poll(producers).toBe(1)
    const load = client.load('producer-example', 90)
    const up = await seconds(() => expect.poll(producers, { timeout: 85_000 }).toBeGreaterThan(1))
    const { acknowledged, held } = await load
    const most = await producers()
    const down = await seconds(() => expect.poll(producers, { timeout: 400_000 }).toBe(1))
    const agreed = await network.agreesOn(held)
    say(
      `HPA: a second producer after ${up} s of load, ${most} at its end, one again ${down} s after it; ` +
        `${acknowledged} acknowledged, agreed after ${agreed} s`,
    )
  })
})

/** How many pods say, in the last line about it, that they hold a share of the source. */
function sharers(logs: string): number {
  const last = new Map<string, number>()
  for (const line of logs.split('\n')) {
    const [, pod, json] = /^\[pod\/([^/]+)\/[^\]]+\] (\{.*"msg":"shares of a source".*\})$/.exec(line) ?? []
    if (pod !== undefined && json !== undefined) last.set(pod, (JSON.parse(json) as { held: number }).held)
  }
  return [...last.values()].filter((held) => held > 0).length
}
