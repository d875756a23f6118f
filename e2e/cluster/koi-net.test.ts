import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client } from './client.ts'
import { say, seconds } from './commands.ts'
import { imageOf } from './images.ts'
import { KoiNetPeer, PEER_LABELS } from './koi-net-peer.ts'
import { Release } from './release.ts'

const DATASET = 'orn:data-catalog.dataset'
const image = imageOf('a koi-net node', 'CLUSTER_KOI_NET_IMAGE')

interface Status {
  readonly node_rid: string
  readonly base_url: string
  readonly peers: readonly { readonly rid: string; readonly edges: readonly Edge[] }[]
}
interface Edge {
  readonly direction: string
  readonly status: string
}

describe.skipIf(image === undefined)('a real koi-net node in a pod', () => {
  const release = new Release(`koi-net-${Math.random().toString(36).slice(2, 8)}`)
  const listed = new KoiNetPeer(release, image ?? '', 'listed')
  const stranger = new KoiNetPeer(release, image ?? '', 'stranger')
  let client: Client

  const status = () => client.api<Status>('coordinator', '/api/status')
  const contact = async () => {
    const { node_rid: rid, base_url: url } = await status()
    return { rid, url }
  }
  const datasets = async () => Object.keys(await listed.cached()).filter((rid) => rid.startsWith(`${DATASET}:`))

  beforeAll(async () => {
    await release.createNamespace()
    await release.install({
      security: { peerTypes: { [listed.rid]: [DATASET] } },
      networkPolicy: { peers: [{ podSelector: { matchLabels: PEER_LABELS } }] },
    })
    client = await Client.start(release)
  })

  afterAll(() => release.remove())

  test("joins through the coordinator's Service, and is told what there is", async () => {
    const before = await contact()
    const edges = async () => {
      const peer = (await status()).peers.find(({ rid }) => rid === listed.rid)
      return peer?.edges.map(described).sort()
    }
    const started = await seconds(() => listed.start(before))
    const joined = await seconds(() => expect.poll(edges).toEqual(['in APPROVED', 'out APPROVED']))
    const known = (await client.rids('coordinator')).sort()
    expect(known.length).toBeGreaterThan(0)
    const told = await seconds(() => expect.poll(async () => (await datasets()).sort()).toEqual(known))
    say(`the koi-net node's pod took ${started} s, its edges with the coordinator ${joined} s, every dataset ${told} s`)
  })

  test('hears of a dataset, and that it is forgotten', async () => {
    const dataset = { name: 'heard', format: 'csv', location: 'file:///heard' }
    const rid = `${DATASET}:published/heard`
    const heard = await seconds(async () => {
      await client.post('producer-example', '/publish', { schema: 'DatasetMetadata', object: dataset })
      await expect.poll(async () => (await listed.cached())[rid]).toMatchObject(dataset)
    })
    const forgotten = await seconds(async () => {
      await client.post('producer-example', '/forget', { rid })
      await expect.poll(datasets).not.toContain(rid)
    })
    say(`the koi-net node had a dataset ${heard} s after it was published, and had forgotten it after ${forgotten} s`)
  })

  test('is refused where it is not listed', async () => {
    const { url } = await contact()
    await stranger.start(await contact())
    await expect.poll(() => stranger.phase()).toBe('Failed')
    expect(await stranger.log()).toContain(`HTTP Request: POST ${url}/events/broadcast "HTTP/1.1 403 Forbidden"`)
    const { peers } = await status()
    expect(peers.map(({ rid }) => rid)).toContain(listed.rid)
    expect(peers.map(({ rid }) => rid)).not.toContain(stranger.rid)
  })
})

const described = ({ direction, status }: Edge) => `${direction} ${status}`
