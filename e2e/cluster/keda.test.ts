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

  const producers = async () => (await network.release.pods(PRODUCER)).length
  const flooded = async () => (await network.client.rids('producer-example')).filter((rid) => rid.includes(':flood/'))

  beforeAll(async () => {
    await kubectl(['get', 'crd', 'scaledobjects.keda.sh'])
    network = await ExampleNetwork.prepare()
    const serverAddress = await startPrometheus(network.release, image ?? '')
    const producer = {
      keda: { enabled: true, maxReplicas: 3, serverAddress, pollingInterval: 2, cooldownPeriod: 5 },
      // It takes the word of a node that it does not ask for anything.
      config: { security: { authority: 'open' } },
    }
    await network.install(
      network.values(producer, { security: { peerTypes: { [flooder]: ['orn:data-catalog.dataset'] } } }),
    )
  })

  afterAll(() => network.remove())

  test('scales a producer by the work that waits in its inbox, and back, and nothing of it is lost', async () => {
    const [, producer = ''] = await network.rids()
    expect(await producers()).toBe(1)
    const told = network.client.run<number>(
      'flood',
      `http://${RELEASE}-producer-example:9000`,
      producer,
      pem,
      `${EVENTS}`,
    )
    const up = await seconds(() => expect.poll(producers).toBeGreaterThan(1))
    expect(await told).toBe(EVENTS)
    const applied = await seconds(() =>
      expect.poll(async () => (await flooded()).length, { timeout: 300_000 }).toBe(EVENTS),
    )
    const down = await seconds(() => expect.poll(producers, { timeout: 300_000 }).toBe(1))
    say(
      `KEDA: a second producer ${up} s after ${EVENTS} events began to come; all applied ${applied} s after the last came; one producer again ${down} s later`,
    )
  })
})
