import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateKeyPair, nodeRid, publicKeyToDerBase64 } from '@koi-mcp/protocol'
import { kubectl, say, seconds } from './commands.ts'
import { ExampleNetwork, PRODUCER } from './example-network.ts'
import { imageOf } from './images.ts'
import { startPrometheus } from './prometheus.ts'
import { RELEASE } from './release.ts'

const EVENTS = 20_000

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
      { keda: { enabled: true, maxReplicas: 3, serverAddress, query, pollingInterval: 2, cooldownPeriod: 5 } },
      { security: { peerTypes: { [flooder]: ['orn:data-catalog.dataset'] } } },
    )
  const producers = async () => (await network.release.pods(PRODUCER)).length
  const flood = async () => {
    const [, producer = ''] = await network.rids()
    return network.client.run<number>('flood', `http://${RELEASE}-producer-example:9000`, producer, pem, String(EVENTS))
  }

  beforeAll(async () => {
    await kubectl(['get', 'crd', 'scaledobjects.keda.sh'])
    network = await ExampleNetwork.prepare()
    serverAddress = await startPrometheus(network.release, image ?? '')
    await network.install(valuesBy(''))
  })

  afterAll(() => network.remove())

  test('scales a producer by the work that waits in its inbox, and back', async () => {
    await expect.poll(producers).toBe(1)
    const flooded = flood()
    const up = await seconds(() => expect.poll(producers).toBeGreaterThan(1))
    expect(await flooded).toBe(EVENTS)
    const down = await seconds(() => expect.poll(producers, { timeout: 400_000 }).toBe(1))
    const known = (await network.client.rids('producer-example')).filter((rid) => rid.includes(':flood/'))
    expect(known.length).toBe(EVENTS)
    say(`KEDA: a second producer after ${up} s of a flood, one again ${down} s later`)
  })

  test('stays at one where the metric that it asks for is another', async () => {
    await network.release.upgrade(valuesBy('max(koi_mcp_inbox_pending_of_another_name)'))
    const most = { producers: 0 }
    const watching = setInterval(
      () => void producers().then((now) => (most.producers = Math.max(most.producers, now))),
      1_000,
    )
    try {
      expect(await flood()).toBe(EVENTS)
      await expect
        .poll(
          async () => (await network.client.rids('producer-example')).filter((rid) => rid.includes(':flood/')).length,
        )
        .toBe(2 * EVENTS)
    } finally {
      clearInterval(watching)
    }
    expect(most).toEqual({ producers: 1 })
  })
})
