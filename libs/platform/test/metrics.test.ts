import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Module } from '@nestjs/common'
import { afterEach, describe, expect, it } from 'vitest'
import { silentLogger, StoreError } from '@koi-mcp/core'
import { HealthModule, KnowledgeController, KoiMcpSettings, ServiceModule, startService } from '../src/index.ts'
import type { RunningService, ServiceParts } from '../src/index.ts'
import { FakeNode, NODE_RID } from './fake-node.ts'

@Module({})
class FakeModule {}

const parts = (node: FakeNode): ServiceParts<FakeNode> => ({
  role: 'producer',
  createNode: () => node,
  assemble: (service) => ({
    module: {
      module: FakeModule,
      imports: [ServiceModule.for(service), HealthModule],
      controllers: [KnowledgeController],
    },
  }),
})

const running: RunningService[] = []
const open = async (node = new FakeNode(), port: number | 'off' = 0) => {
  const settings = new KoiMcpSettings()
  settings.node.port = 0
  settings.node.name = 'fake'
  if (port !== 'off') settings.metrics.port = port
  const service = await startService(parts(node), settings, silentLogger)
  running.push(service)
  return { node, service, url: service.service.url, metricsUrl: service.ready['metrics_url'] ?? '' }
}

/** Values by series, without the labels that all have. */
const scrape = async (url: string): Promise<ReadonlyMap<string, string>> => {
  const response = await fetch(url)
  expect(response.status).toBe(200)
  const lines = (await response.text()).split('\n').filter((line) => /^koi_mcp_/.test(line))
  const bare = lines.map((line) => line.replace(/,?node="fake",role="producer"/, '').replace('{}', ''))
  return new Map(bare.map((line) => [line.slice(0, line.lastIndexOf(' ')), line.slice(line.lastIndexOf(' ') + 1)]))
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()))
})

describe('the metrics of a service', () => {
  it('show what the node is and holds', async () => {
    const node = new FakeNode()
    const other = NODE_RID.replace('fake+00', 'other+ab') as typeof NODE_RID
    node.outbox = [{ target: other, queued: 3, oldestAt: Date.now() - 5_000, failures: 1 }]
    node.queue.counts = () => {
      const none = { waiting: 0, active: 0, delayed: 0, failed: 0 }
      return Promise.resolve({ lanes: { ...none, waiting: 2 }, deliveries: none })
    }
    node.graph.nodes = () => [NODE_RID, other]
    const { metricsUrl } = await open(node)
    const shown = await scrape(metricsUrl)
    expect(Object.fromEntries(shown)).toMatchObject({
      koi_mcp_ready: '1',
      'koi_mcp_dependency_up{dependency="store"}': '1',
      koi_mcp_leader: '1',
      koi_mcp_inbox_pending: '2',
      koi_mcp_dead_letters: '1',
      koi_mcp_outbox_queued: '3',
      koi_mcp_outbox_targets: '1',
      koi_mcp_lapsed_targets: '0',
      'koi_mcp_delivery_queued{peer="other+ab000000"}': '3',
      'koi_mcp_bundles{rid_type="orn:a.b"}': '0',
      'koi_mcp_queue_jobs{kind="lanes",state="waiting"}': '2',
      'koi_mcp_peers{node_type="unknown"}': '1',
    })
    expect(Number(shown.get('koi_mcp_delivery_lag_seconds{peer="other+ab000000"}'))).toBeGreaterThanOrEqual(5)
  })

  it('count requests by route and status, and no path of a stranger', async () => {
    const { url, metricsUrl } = await open()
    await fetch(`${url}/livez`)
    await fetch(`${url}/api/bundle?rid=orn:a.b:c`)
    await fetch(`${url}/no/such/path`)
    await fetch(`${url}/koi-net/no/such/path`)
    await fetch(`${url}/koi-net/events/poll`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    await fetch(`${url}/.well-known/koi-net.json?x`)
    const requests = async () => {
      const all = [...(await scrape(metricsUrl))].filter(([series]) => series.startsWith('koi_mcp_http_requests_total'))
      return all.map(([series, count]) => `${series.slice('koi_mcp_http_requests_total'.length)} ${count}`).sort()
    }
    await expect
      .poll(requests)
      .toEqual([
        '{method="GET",route="/.well-known/koi-net.json",status="200"} 1',
        '{method="GET",route="/api/bundle",status="404"} 1',
        '{method="GET",route="/livez",status="200"} 1',
        '{method="GET",route="other",status="404"} 2',
        '{method="POST",route="/koi-net/events/poll",status="200"} 1',
      ])
  })

  it('are told without what a store that is away, or does not answer, would say', async () => {
    const node = new FakeNode()
    const away = () => Promise.reject(new StoreError('UNAVAILABLE', 'away'))
    node.failing = new StoreError('UNAVAILABLE', 'away')
    node.store.inboxState = away
    node.store.outboxState = () => new Promise(() => undefined)
    const { metricsUrl } = await open(node)
    const shown = await scrape(metricsUrl)
    expect(shown.get('koi_mcp_dependency_up{dependency="store"}')).toBe('0')
    expect(shown.get('koi_mcp_ready')).toBe('1')
    for (const name of ['koi_mcp_inbox_pending', 'koi_mcp_dead_letters', 'koi_mcp_outbox_queued']) {
      expect(shown.has(name)).toBe(false)
    }
    expect(shown.get('koi_mcp_lapsed_targets')).toBe('0')
  })

  it('ask the store at most once a second, however many scrape', async () => {
    const node = new FakeNode()
    let asked = 0
    const { inboxState } = node.store
    node.store.inboxState = () => {
      asked += 1
      return inboxState.call(node.store)
    }
    const { metricsUrl } = await open(node)
    const since = performance.now()
    await Promise.all(Array.from({ length: 20 }, () => scrape(metricsUrl)))
    expect(asked).toBeLessThanOrEqual(1 + Math.floor((performance.now() - since) / 1_000))
  })

  it('answer at /metrics alone, to GET and HEAD', async () => {
    const { metricsUrl } = await open()
    const status = async (url: string, method: string) => (await fetch(url, { method })).status
    expect(await status(metricsUrl, 'HEAD')).toBe(200)
    expect(await status(metricsUrl, 'POST')).toBe(405)
    expect(await status(new URL('/', metricsUrl).href, 'GET')).toBe(404)
    const { headers } = await fetch(metricsUrl, { headers: { accept: 'application/openmetrics-text' } })
    expect(headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  })

  it('are off without a port, and nothing is counted then', async () => {
    const { service } = await open(new FakeNode(), 'off')
    expect(service.ready).not.toHaveProperty('metrics_url')
    expect(service.service.metrics).toBeUndefined()
  })

  it('end with the service', async () => {
    const { service, metricsUrl } = await open()
    await service.stop()
    await expect(fetch(metricsUrl)).rejects.toThrow()
  })

  it('keep a service from starting whose port for them is taken, and leave nothing behind', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    const { port } = taken.address() as AddressInfo
    const node = new FakeNode()
    const message = `Port ${port} on 127.0.0.1, for the metrics, is in use: stop what listens there, or choose another with metrics.port (KOI_MCP_METRICS__PORT); 0 takes any free one`
    await expect(open(node, port)).rejects.toMatchObject({ code: 'METRICS_SERVER', message })
    expect(node.calls).toEqual([])
    await new Promise((resolve) => taken.close(resolve))
  })
})
