import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKeyPair, nodeRid, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import { kubectl, say, seconds } from './commands.ts'
import { ExampleNetwork, PRODUCER } from './example-network.ts'
import { imageOf } from './images.ts'
import { startPrometheus } from './prometheus.ts'
import { RELEASE } from './release.ts'

const EVENTS = 8_000

const isHere = process.env.CLUSTER_KEDA === 'true'
const image = isHere ? imageOf('KEDA and Prometheus', 'CLUSTER_PROMETHEUS_IMAGE') : undefined
if (!isHere) say('skipped: the test with KEDA needs it in the cluster, and CLUSTER_KEDA=true')

describe.skipIf(image === undefined)('KEDA', () => {
  const { privateKey, publicKey } = generateKeyPair()
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const flooder = nodeRid('flood', publicKeyToDerBase64(publicKey))
  let network: ExampleNetwork
  let serverAddress: string

  const valuesBy = (query: string) =>
    network.values(
      {
        keda: { enabled: true, maxReplicas: 3, serverAddress, query, pollingInterval: 2, cooldownPeriod: 5 },
        // It takes the word of a node that it does not ask for anything.
        config: { security: { authority: 'open' } },
      },
      { security: { peerTypes: { [flooder]: ['orn:data-catalog.dataset'] } } },
    )
  const producers = async () => (await network.release.pods(PRODUCER)).length
  const flood = async (first: number, events: number) => {
    const [, producer = ''] = await network.rids()
    const url = `http://${RELEASE}-producer-example:9000`
    return network.client.run<number>('flood', url, producer, pem, String(first), String(events))
  }
  const flooded = async () => (await network.client.rids('producer-example')).filter((rid) => rid.includes(':flood/'))
  const allApplied = (events: number) =>
    expect.poll(async () => (await flooded()).length, { timeout: 300_000 }).toBe(events)

  beforeAll(async () => {
    await kubectl(['get', 'crd', 'scaledobjects.keda.sh'])
    network = await ExampleNetwork.prepare()
    serverAddress = await startPrometheus(network.release, image ?? '')
    await network.install(valuesBy(''))
  })

  afterAll(() => network.remove())

  test('scales a producer by the work that waits in its inbox, and back, and nothing of it is lost', async () => {
    expect(await producers()).toBe(1)
    const told = flood(0, EVENTS)
    const up = await seconds(() => expect.poll(producers).toBeGreaterThan(1))
    expect(await told).toBe(EVENTS)
    const applied = await seconds(() => allApplied(EVENTS))
    const down = await seconds(() => expect.poll(producers, { timeout: 300_000 }).toBe(1))
    say(
      `KEDA: a second producer ${up} s after ${EVENTS} events began to come; all applied ${applied} s after the last came; one producer again ${down} s later`,
    )
  })

  test('would not where the metric that it asks for is another', async () => {
    await network.release.upgrade(valuesBy('max(koi_mcp_inbox_pending_of_another_name)'))
    await expect.poll(producers).toBe(1)
    const seen = new Set<number>()
    const watching = setInterval(() => void producers().then((now) => seen.add(now)), 1_000)
    try {
      expect(await flood(EVENTS, EVENTS)).toBe(EVENTS)
      await allApplied(2 * EVENTS)
    } finally {
      clearInterval(watching)
    }
    expect([...seen]).toEqual([1])
  })
})
