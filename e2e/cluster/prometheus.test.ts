import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { asSent, dashboards as files, expressionsOf } from '../metrics/monitoring-files.ts'
import type { Dashboard } from '../metrics/monitoring-files.ts'
import { Client } from './client.ts'
import { say, seconds } from './commands.ts'
import { ANY_NODE } from './example-network.ts'
import { imageOf } from './images.ts'
import { startPrometheus } from './prometheus.ts'
import { Release } from './release.ts'

const image = imageOf('Prometheus', 'CLUSTER_PROMETHEUS_IMAGE')

/** There may be no series of these before a request was refused; nodes that have just met may have refused some. */
const NEED_A_FAULT = [
  'sum by (node, endpoint, reason) (rate(koi_mcp_requests_refused_total{node=~"$node"}[$__rate_interval]))',
]

interface Targets {
  readonly data: { readonly activeTargets: readonly Target[] }
}
interface Target {
  readonly labels: Readonly<Record<string, string>>
  readonly health: string
}

describe.skipIf(image === undefined)('Prometheus in the cluster', () => {
  const release = new Release(`prometheus-${Math.random().toString(36).slice(2, 8)}`)
  let client: Client
  let url: string

  beforeAll(async () => {
    await release.createNamespace()
    const [, started] = await Promise.all([
      release.install({ nodeDefaults: { replicas: 2 } }),
      startPrometheus(release, image ?? ''),
    ])
    url = started
    client = await Client.start(release)
  })

  afterAll(() => release.remove())

  test('scrapes every pod of a node, by the annotations of the chart', async () => {
    const pods = await release.pods(ANY_NODE)
    expect(pods.length).toBe(6)
    const targets = async () => {
      const { data } = await client.run<Targets>('get', `${url}/api/v1/targets?state=active`)
      return data.activeTargets.map(({ labels, health }) => `${labels['job']} ${labels['pod']} ${health}`).sort()
    }
    await expect.poll(targets).toEqual(pods.map((pod) => `koi-mcp ${pod} up`).sort())
  })

  test('answers each query of the dashboards that the chart brings', async () => {
    await expect.poll(() => client.rids('gateway')).not.toEqual([])
    const shipped = await dashboardsIn(release)
    expect(Object.keys(shipped).sort()).toEqual(files.map(({ file }) => file).sort())
    const expressions = [...new Set(Object.values(shipped).flatMap(expressionsOf))]
    const empty = async () => {
      const answers = await client.run<(number | string)[]>('queries', url, ...expressions.map(asSent))
      expect(answers.filter((answer) => typeof answer === 'string')).toEqual([])
      return expressions.filter((_, index) => answers[index] === 0).sort()
    }
    const traffic = () => [
      client.load('producer-example', 10),
      client.run('ask', 'http://koi-mcp-gateway:9000/mcp', '10'),
    ]
    const took = await seconds(() =>
      during(traffic, async () => {
        await expect.poll(async () => (await empty()).filter((asked) => !NEED_A_FAULT.includes(asked))).toEqual([])
        const noEnvelope = client.post('coordinator', '/koi-net/events/broadcast', {})
        await expect(noEnvelope).rejects.toThrow('answered 422')
        await expect.poll(empty).toEqual([])
      }),
    )
    say(`Prometheus answered ${expressions.length} queries of ${files.length} dashboards after ${took} s of traffic`)
  })
})

async function dashboardsIn(release: Release): Promise<Record<string, Dashboard>> {
  const { items } = await release.get<{ items: { data: Record<string, string> }[] }>(
    'configmaps',
    '--selector=grafana_dashboard=1',
  )
  const entries = items.flatMap(({ data }) => Object.entries(data))
  return Object.fromEntries(entries.map(([file, text]) => [file, JSON.parse(text) as Dashboard]))
}

/** Does the work while there is traffic, over and over. */
async function during(traffic: () => readonly Promise<unknown>[], work: () => Promise<void>): Promise<void> {
  let isOver = false
  const flow = async () => {
    while (!isOver) await Promise.all(traffic())
  }
  const done = async () => {
    await work().finally(() => (isOver = true))
  }
  await Promise.all([flow(), done()])
}
